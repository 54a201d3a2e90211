/* SPDX-License-Identifier: Apache-2.0 */
/* Single instructions: which of them the kernel emulates, and what becomes of registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/tls/code.h"

#define ADDRESS 0x400000

/* Measured on 6.18: a probe on one of these costs a fifteenth of one on the others. */
static const struct {
    const char *bytes;
    bool emulated;
} costs[] = {
    {"\x90", true},                                  /* nop */
    {"\x66\x90", true},                              /* the same, wider */
    {"\xf3\x90", true},                              /* pause */
    {"\x48\x90", true},                              /* */
    {"\x0f\x1f\x40\x01", true},                      /* nop of 4 bytes */
    {"\x0f\x1f\x84\x11\x11\x11\x11\x11", true},      /* 8 */
    {"\x66\x0f\x1f\x84\x11\x11\x11\x11\x11", false}, /* 9 */
    {"\x2e\x66\x0f\x1f\x84\x11\x11\x11\x11\x11", false},
    {"\x50", true},      /* push %rax */
    {"\x41\x57", true},  /* push %r15 */
    {"\x6a\x01", false}, /* push $1 */
    {"\xff\x30", false}, /* push (%rax) */
    {"\x48\x50", false}, /* push %rax with a prefix of no effect */
    {"\xeb\x01", true},  /* jmp */
    {"\xe9\x01\x01\x01\x01", true},
    {"\x74\x01", true}, /* je */
    {"\x0f\x84\x01\x01\x01\x01", true},
    {"\xe3\x01", false}, /* jrcxz */
    {"\x3e\xeb\x01", false},
    {"\xe8\x01\x01\x01\x01", true}, /* call */
    {"\xff\xd0", false},            /* call *%rax */
    {"\xff\xe0", false},            /* jmp *%rax */
    {"\xc3", false},                /* ret */
    {"\x48\x83\xec\x18", false},    /* sub $0x18,%rsp */
    {"\x89\xd0", false},            /* mov */
    {"\x5b", false},                /* pop */
    {"\xf3\x0f\x1e\xfa", false},    /* endbr64 */
    {"\xc9", false},                /* leave */
};

static struct eye_instruction decode(const void *bytes, size_t length)
{
    struct eye_instruction item;
    assert_true(eye_decode_x86_64(bytes, length, ADDRESS, &item));
    assert_int_equal(item.length, length);
    return item;
}

#define DECODE(text) decode(text, sizeof(text) - 1)

static void x86__is_emulated_as_the_kernel_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(costs); i++) {
        struct eye_instruction item = decode(costs[i].bytes, strlen(costs[i].bytes));
        if (item.emulated != costs[i].emulated) {
            fail_msg("row %zu", i);
        }
    }
}

static void x86__goes(void **state)
{
    (void)state;
    assert_int_equal(DECODE("\xeb\x10").target, ADDRESS + 2 + 0x10);
    assert_int_equal(DECODE("\xeb\x10").flow, EYE_FLOW_JUMP);
    assert_int_equal(DECODE("\x0f\x85\xfa\xff\xff\xff").target, ADDRESS);
    assert_int_equal(DECODE("\x0f\x85\xfa\xff\xff\xff").condition, 5);
    assert_int_equal(DECODE("\xe8\0\0\0\0").flow, EYE_FLOW_CALL);
    assert_int_equal(DECODE("\xff\xe0").target, 0);
    assert_int_equal(DECODE("\xff\xe0").from, EYE_X86_AX);
    assert_int_equal(DECODE("\xff\x60\x38").from, EYE_X86_AX); /* jmp *0x38(%rax) */
    assert_int_equal(DECODE("\xff\x60\x38").distance, 0x38);
    assert_true(DECODE("\xff\x60\x38").loads);
    assert_int_equal(DECODE("\xc3").flow, EYE_FLOW_RETURN);
    assert_int_equal(DECODE("\x0f\x0b").flow, EYE_FLOW_END); /* ud2 */
}

static void x86__moves(void **state)
{
    (void)state;
    struct eye_instruction item = DECODE("\x49\x89\xc8"); /* mov %rcx,%r8 */
    assert_true(item.copies && !item.extends);
    assert_int_equal(item.to, EYE_X86_8);
    assert_int_equal(item.from, EYE_X86_CX);
    item = DECODE("\x48\x98"); /* cltq */
    assert_true(item.copies && item.extends);
    assert_int_equal(item.writes, 1U << EYE_X86_AX);
    item = DECODE("\x31\xc9"); /* xor %ecx,%ecx */
    assert_true(item.constant);
    assert_int_equal(item.number, 0);
    item = DECODE("\xb8\xff\xff\xff\xff"); /* mov $-1,%eax */
    assert_true(item.constant);
    assert_int_equal((int32_t)item.number, -1);
    item = DECODE("\x48\x8d\x05\x10\0\0\0"); /* lea 0x10(%rip),%rax */
    assert_int_equal(item.number, ADDRESS + 7 + 0x10);
    item = DECODE("\x48\x8d\xb7\x60\x01\0\0"); /* lea 0x160(%rdi),%rsi */
    assert_true(item.points);
    assert_int_equal(item.distance, 0x160);
    item = DECODE("\x8b\x47\x38"); /* mov 0x38(%rdi),%eax */
    assert_true(item.loads);
    assert_int_equal(item.distance, 0x38);
    item = DECODE("\x48\x83\xc0\x30"); /* add $0x30,%rax */
    assert_true(item.points);
    assert_int_equal(item.from, EYE_X86_AX);
    assert_int_equal(item.distance, 0x30);
    assert_false(DECODE("\x83\xc0\x30").points); /* add $0x30,%eax: no address */
    item = DECODE("\x0f\xb6\x87\xa4\0\0\0");     /* movzbl 0xa4(%rdi),%eax */
    assert_true(item.loads_byte && !item.loads);
    assert_int_equal(item.distance, 0xa4);
    assert_false(DECODE("\x0f\xb7\x87\xa4\0\0\0").loads_byte); /* movzwl */
    item = DECODE("\x83\xe0\x01");                             /* and $1,%eax */
    assert_true(item.masks && item.from == EYE_X86_AX);
    assert_int_equal(item.number, 1);
    item = DECODE("\x64\x8b\x47\x38"); /* the same of another segment is no member */
    assert_false(item.loads);
    assert_int_equal(DECODE("\x0f\x44\xc2").writes, 1U << EYE_X86_AX); /* cmove %edx,%eax */
    assert_int_equal(DECODE("\xf7\xe1").writes,                        /* mul %ecx */
                     1U << EYE_X86_AX | 1U << EYE_X86_DX);
}

static void x86__moves_the_stack(void **state)
{
    (void)state;
    assert_int_equal(DECODE("\x50").stack, 8);
    assert_int_equal(DECODE("\x5b").stack, -8);
    assert_int_equal(DECODE("\x48\x83\xec\x18").stack, 0x18);
    assert_int_equal(DECODE("\x48\x83\xc4\x18").stack, -0x18);
    assert_int_equal(DECODE("\x48\x83\xe4\xf0").stack, EYE_STACK_UNKNOWN); /* and $-16,%rsp */
    assert_int_equal(DECODE("\x48\x89\xdc").stack, EYE_STACK_UNKNOWN);     /* mov %rbx,%rsp */
    assert_int_equal(DECODE("\xc9").stack, EYE_STACK_FROM_FRAME);
    assert_int_equal(DECODE("\x48\x8d\x65\xd8").frame, 0x28); /* lea -0x28(%rbp),%rsp */
    assert_true(DECODE("\x48\x89\xe5").keeps_frame);          /* mov %rsp,%rbp */
    assert_true(DECODE("\x64\x48\x2b\x14\x25\x28\0\0\0").checks_canary);
}

static void x86__is_no_instruction(void **state)
{
    struct eye_instruction item;
    (void)state;
    assert_false(eye_decode_x86_64((const uint8_t *)"\x06", 1, ADDRESS, &item));
    assert_false(eye_decode_x86_64((const uint8_t *)"\x48\x8d", 2, ADDRESS, &item)); /* cut */
}

static struct eye_instruction decode_arm64(uint32_t word)
{
    struct eye_instruction item;
    assert_true(eye_decode_arm64((const uint8_t *)&word, sizeof(word), ADDRESS, &item));
    return item;
}

static void arm64__goes(void **state)
{
    (void)state;
    assert_int_equal(decode_arm64(0x14000002).target, ADDRESS + 8); /* b */
    assert_int_equal(decode_arm64(0x17ffffff).target, ADDRESS - 4);
    assert_int_equal(decode_arm64(0x94000002).flow, EYE_FLOW_CALL);   /* bl */
    assert_int_equal(decode_arm64(0x340001e2).flow, EYE_FLOW_BRANCH); /* cbz w2 */
    assert_int_equal(decode_arm64(0x340001e2).target, ADDRESS + 0x3c);
    assert_int_equal(decode_arm64(0x360000e2).target, ADDRESS + 0x1c); /* tbz w2, #0 */
    assert_int_equal(decode_arm64(0x54000041).target, ADDRESS + 8);    /* b.ne */
    assert_int_equal(decode_arm64(0xd65f03c0).flow, EYE_FLOW_RETURN);
    assert_int_equal(decode_arm64(0xd61f0200).flow, EYE_FLOW_JUMP); /* br x16 */
    assert_int_equal(decode_arm64(0xd61f0200).from, 16);
    assert_true(decode_arm64(0xd65f03c0).emulated && decode_arm64(0x340001e2).emulated);
    assert_false(decode_arm64(0xd503201f).emulated); /* nop: from 6.13 on alone */
    assert_int_equal(decode_arm64(0).flow, EYE_FLOW_END);
}

static void arm64__moves(void **state)
{
    (void)state;
    struct eye_instruction item = decode_arm64(0xaa0203e3); /* mov x3, x2 */
    assert_true(item.copies);
    assert_int_equal(item.to, 3);
    assert_int_equal(item.from, 2);
    assert_int_equal(decode_arm64(0xa9bf7bfd).stack, 16); /* stp x29, x30, [sp, #-16]! */
    assert_int_equal(decode_arm64(0xa9bf7bfd).writes, 1U << EYE_ARM64_SP);
    assert_int_equal(decode_arm64(0xa8c17bfd).stack, -16);      /* ldp x29, x30, [sp], #16 */
    assert_int_equal(decode_arm64(0xa90153f3).writes, 0);       /* stp x19, x20, [sp, #16] */
    assert_int_equal(decode_arm64(0x395ae002).writes, 1U << 2); /* ldrb w2, [x0, #1720] */
    assert_int_equal(decode_arm64(0xf9401c84).distance, 56);    /* ldr x4, [x4, #56] */
    assert_true(decode_arm64(0xf9401c84).loads);
    assert_int_equal(decode_arm64(0xd10083ff).stack, 0x20);     /* sub sp, sp, #0x20 */
    assert_true(decode_arm64(0x910003fd).keeps_frame);          /* mov x29, sp */
    assert_int_equal(decode_arm64(0x91062061).distance, 0x188); /* add x1, x3, #0x188 */
    assert_true(decode_arm64(0x395ae002).loads_byte);
    assert_int_equal(decode_arm64(0x395ae002).distance, 1720);
    item = decode_arm64(0x12000900); /* and w0, w8, #7 */
    assert_true(item.masks && item.from == 8 && item.to == 0);
    assert_int_equal(item.number, 7);
    assert_false(decode_arm64(0x121f0100).masks); /* and w0, w8, #2: not the lowest ones */
    item = decode_arm64(0xb0000000);              /* adrp x0, +0x1000 */
    assert_true(item.constant && item.emulated);
    assert_int_equal(item.number, ADDRESS + 0x1000);
    assert_int_equal(decode_arm64(0x88dffc20).writes, 0xffffffff); /* ldar: not looked into */
}

static int open_decoder(void **state)
{
    (void)state;
    return eye_decoder_open(EYE_MACHINE_X86_64, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x86__is_emulated_as_the_kernel_does),
        cmocka_unit_test(x86__goes),
        cmocka_unit_test(x86__moves),
        cmocka_unit_test(x86__moves_the_stack),
        cmocka_unit_test(x86__is_no_instruction),
        cmocka_unit_test(arm64__goes),
        cmocka_unit_test(arm64__moves),
    };
    return cmocka_run_group_tests(tests, open_decoder, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Logs as kernels 5.10 to 7.2 wrote them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "collector/base/base.h"
#include "collector/source/verifier_log.h"

#define TAIL " insns (limit 1000000) max_states_per_insn 46 total_states 7823 peak_states 1979\n"
#define UNTOUCHED 77

static void verifier_log_read__finds_last_words_and_instructions(void **state)
{
    static const struct {
        const char *log;
        const char *words;
        uint32_t instructions;
    } cases[] = {
        {"", "", UNTOUCHED},
        {"\n", "", UNTOUCHED},
        {"processed 36" TAIL, "", 36},
        {"verification time 148264 usec\nstack depth 120+0+8\nprocessed 162543" TAIL, "", 162543},
        {"BPF_STX uses reserved fields\nprocessed 0" TAIL, "BPF_STX uses reserved fields", 0},
        {"unknown func bpf_get_current_pid_tgid#14\nverification time 90 usec\nstack depth 8\n"
         "processed 36" TAIL,
         "unknown func bpf_get_current_pid_tgid#14", 36},
        {"Validating eye_http_advance() func#3...\n"
         "R2 unbounded memory access, make sure to bounds check any such access\nprocessed 4" TAIL,
         "R2 unbounded memory access, make sure to bounds check any such access", 4},
        {"R4 pointer arithmetic on mem_or_null prohibited, null-check it first\n"
         "verification time 469134 usec\nstack depth 120+0+8 max 0\n"
         "insns processed 8765+1213+10\nprocessed 9988" TAIL,
         "R4 pointer arithmetic on mem_or_null prohibited, null-check it first", 9988},
        {"BPF program is too large. Processed 1000001 insn\nprocessed 1000001" TAIL,
         "BPF program is too large. Processed 1000001 insn", 1000001},
        {"number of funcs in func_info doesn't match number of subprogs\n",
         "number of funcs in func_info doesn't match number of subprogs", UNTOUCHED},
        {"cause\nprocessed many insns\n", "cause", UNTOUCHED},
        {"cause\nprocessed 99999999999 insns\n", "cause", UNTOUCHED},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char log[512];
        uint32_t instructions = UNTOUCHED;
        snprintf(log, sizeof(log), "%s", cases[i].log);
        assert_string_equal(eye_verifier_log_read(log, &instructions), cases[i].words);
        assert_int_equal(instructions, cases[i].instructions);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifier_log_read__finds_last_words_and_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

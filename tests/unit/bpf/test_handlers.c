/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the kernel programs that live traffic hardly ever reaches, on the host: the handlers
 * themselves, over structures of the kernel that hold what the test says. The helpers called on the
 * way are functions of this file; any other one is an address that nobody can call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What the compiler knows for the BPF target only: here every field is as vmlinux.h has it. How
 * many arguments there are depends on the libbpf. */
#define __builtin_preserve_access_index(expression) (expression)
#define __builtin_preserve_field_info(...) 1
#define __builtin_preserve_type_info(...) 1
#define __builtin_preserve_enum_value(...) 0

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma GCC diagnostic ignored "-Wunknown-attributes"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wunused-variable"
#pragma GCC diagnostic ignored "-Wshadow"
#include "bpf/vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define __bpf__ /* the handlers are as the kernel has them */
#define bpf_get_current_task_btf host_current_task
#define bpf_map_lookup_elem host_look_up
#define bpf_probe_read_user host_read_user
#define bpf_ringbuf_query host_query
#define bpf_ringbuf_reserve host_reserve
#define bpf_ringbuf_submit host_submit
#define bpf_sk_storage_delete host_delete
#define bpf_sk_storage_get host_socket_storage
#define bpf_skc_to_tcp_sock(sk) ((struct tcp_sock *)(sk))
#define bpf_task_storage_get host_task_storage

static struct task_struct *host_current_task(void);
static void *host_look_up(void *map, const void *key);
static long host_read_user(void *target, __u32 bytes, const void *source);
static __u64 host_query(void *ring, __u64 flags);
static void *host_reserve(void *ring, __u64 bytes, __u64 flags);
static void host_submit(void *record, __u64 flags);
static long host_delete(void *map, void *sk);
static void *host_socket_storage(void *map, void *sk, void *value, __u64 flags);
static void *host_task_storage(void *map, struct task_struct *task, void *value, __u64 flags);

#include "bpf/usm/first_payload.bpf.h"
#pragma GCC diagnostic pop

#define ENVIRONMENT "DD_SERVICE=shop"

struct host {
    struct task_struct task; /* a group leader, the current process */
    struct css_set cgroups;
    struct task_struct parent;
    struct mm_struct memory;
    struct tcp_sock tcp;
    struct eye_socket socket;
    struct eye_conversation conversation;
    struct eye_pipeline pipeline;
    struct eye_first_payload first;
    struct eye_introduced introduced;
    struct {
        struct eye_owner_record head;
        char environment[EYE_ENVIRONMENT_LARGE];
    } record;
    __u64 losses[EYE_COUNT_COUNT];
    bool has_room;    /* in the rings */
    size_t records;   /* asked of a ring */
    size_t submitted; /* given to it */
    size_t pipelines; /* made for a socket */
    size_t deleted_conversations, deleted_pipelines;
};

static struct host *host;

static struct task_struct *host_current_task(void)
{
    return &host->task;
}

static void *host_look_up(void *map, const void *key)
{
    return map == &first_payloads ? (void *)&host->first : &host->losses[*(const __u32 *)key];
}

static long host_read_user(void *target, __u32 bytes, const void *source)
{
    memcpy(target, source, bytes);
    return 0;
}

static void *host_reserve(void *ring, __u64 bytes, __u64 flags)
{
    (void)ring;
    (void)flags;
    assert_true(bytes <= sizeof(host->record));
    host->records++;
    return host->has_room ? &host->record : NULL;
}

static __u64 host_query(void *ring, __u64 flags)
{
    (void)ring;
    (void)flags;
    return 0;
}

static void host_submit(void *record, __u64 flags)
{
    (void)flags;
    assert_ptr_equal(record, &host->record);
    host->submitted++;
}

static long host_delete(void *map, void *sk)
{
    (void)sk;
    host->deleted_conversations += map == &conversations;
    host->deleted_pipelines += map == &pipelines;
    return 0;
}

static void *host_socket_storage(void *map, void *sk, void *value, __u64 flags)
{
    (void)sk;
    (void)value;
    (void)flags;
    host->pipelines += map == &pipelines;
    return map == &pipelines ? (void *)&host->pipeline : &host->conversation;
}

static void *host_task_storage(void *map, struct task_struct *task, void *value, __u64 flags)
{
    (void)map;
    (void)value;
    (void)flags;
    assert_ptr_equal(task, &host->task);
    return &host->introduced;
}

static int setup(void **state)
{
    static struct host fresh;
    (void)state;
    memset(&fresh, 0, sizeof(fresh));
    host = &fresh;
    host->parent = (struct task_struct){.tgid = 41, .self_exec_id = 3, .cgroups = &host->cgroups};
    host->parent.group_leader = &host->parent;
    host->task = (struct task_struct){.tgid = 42,
                                      .self_exec_id = 3,
                                      .parent_exec_id = 3,
                                      .real_parent = &host->parent,
                                      .group_leader = &host->task,
                                      .cgroups = &host->cgroups};
    return 0;
}

/* ---- bpf/process ---- */

/* Forked, and neither has executed anything since. An orphan's parent may be anybody. */
static void parent_of__is_who_runs_the_same_program(void **state)
{
    struct css_set elsewhere;
    (void)state;
    assert_int_equal(eye_parent_of(&host->task), eye_owner_of(&host->parent));
    host->parent.cgroups = &elsewhere;
    assert_int_equal(eye_parent_of(&host->task), 0);
    host->parent.cgroups = &host->cgroups;
    host->parent.self_exec_id = 4;
    assert_int_equal(eye_parent_of(&host->task), 0);
    host->task.parent_exec_id = 4;
    assert_int_equal(eye_parent_of(&host->task), 0);
    host->task.real_parent = NULL;
    assert_int_equal(eye_parent_of(&host->task), 0);
}

static void introduce_current__again_after_so_many_passes(void **state)
{
    (void)state;
    host->introduced.owner = eye_owner_of(&host->task);
    host->introduced.pass = 7;
    for (__u32 later = 0; later < EYE_INTRODUCE_PASSES; later++) {
        eye_pass = 7 + later;
        eye_introduce_current();
        assert_int_equal(host->records, 0);
    }
    eye_pass = 7 + EYE_INTRODUCE_PASSES;
    eye_introduce_current();
    assert_int_equal(host->records, 1);
    eye_pass = 7;
    host->introduced.owner++; /* an exec in between */
    eye_introduce_current();
    assert_int_equal(host->records, 2);
}

static int introduce_older(void)
{
    eye_introduce(&host->task);
    return 0;
}

/* What a full ring did not take is told the next time, and then no more. */
static void introduce__again_until_the_ring_took_it(void **state)
{
    static int (*const ways[])(void) = {eye_introduce_current, introduce_older};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        setup(state);
        host->task.mm = &host->memory;
        host->memory.env_start = host->memory.env_end = (unsigned long)ENVIRONMENT;
        for (size_t times = 1; times <= 3; times++) {
            ways[i]();
            assert_int_equal(host->records, times);
            assert_int_equal(host->losses[EYE_LOSS_OWNER_RING], times);
        }
        host->has_room = true;
        ways[i]();
        ways[i]();
        assert_int_equal(host->records, 4);
        assert_int_equal(host->submitted, 1);
        assert_int_equal(host->record.head.owner, eye_owner_of(&host->task));
        assert_int_equal(host->losses[EYE_LOSS_OWNER_RING], 3);
    }
}

/* Less than its room is whole; of more, and of just as much, a part is taken. */
static void read_environment__takes_what_there_is_room_for(void **state)
{
    static const struct {
        __u64 bytes;
        __u32 taken, flags;
    } cases[] = {
        {0, 0, 0},
        {15, 15, 0},
        {16, 15, EYE_OWNER_CUT_ENVIRONMENT},
        {17, 15, EYE_OWNER_CUT_ENVIRONMENT},
        {UINT64_MAX, 15, EYE_OWNER_CUT_ENVIRONMENT},
    };
    static const char environment[] = ENVIRONMENT "....";
    (void)state;
    host->memory.env_start = (unsigned long)environment;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&host->record, 0, sizeof(host->record));
        eye_read_environment(&host->record.head, &host->memory, cases[i].bytes, 16);
        assert_int_equal(host->record.head.environment_bytes, cases[i].taken);
        assert_int_equal(host->record.head.flags, cases[i].flags);
        assert_memory_equal(host->record.environment, environment, cases[i].taken);
    }
}

/* ---- bpf/usm: what comes before its socket ---- */

static void receive_first(__be16 source)
{
    host->first.present = true;
    host->first.source = source;
    host->first.socket.stream.owner = 77;
}

static bool takes_first(__be16 peer)
{
    struct sock *sk = &host->tcp.inet_conn.icsk_inet.sk;
    host->socket.stream.owner = 0;
    sk->__sk_common.skc_dport = peer;
    eye_take_first_payload(sk, &host->socket);
    return host->socket.stream.owner == 77;
}

/* Older kernels set the child's port later: it is 0 then. */
static void take_first_payload__is_of_the_same_peer(void **state)
{
    (void)state;
    receive_first(5);
    assert_false(takes_first(6));
    assert_true(takes_first(5));
    receive_first(5);
    assert_true(takes_first(0));
}

static void take_first_payload__happens_once(void **state)
{
    (void)state;
    assert_false(takes_first(0));
    receive_first(5);
    assert_true(takes_first(5));
    assert_false(takes_first(5));
}

/* Every request but the first one lives in the pipeline, the one whose line is being read, too. */
static void adopt_conversation__moves_the_pipeline_when_it_is_used(void **state)
{
    static const struct {
        __u32 pushed;
        __u8 noted;
        bool deep;
    } cases[] = {{0, 0, false}, {0, 1, false}, {1, 0, false}, {1, 1, true}, {2, 0, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        host->pipelines = 0;
        host->first.conversation.queue.pushed = cases[i].pushed;
        host->first.conversation.queue.noted = cases[i].noted;
        eye_adopt_conversation(&host->tcp.inet_conn.icsk_inet.sk, &host->first);
        assert_int_equal(host->pipelines, cases[i].deep);
    }
}

/* ---- bpf/usm: conversations ---- */

/* A socket that lives on keeps neither the parser nor the pipeline. */
static void leave__frees_what_the_socket_held(void **state)
{
    static const __u32 verdicts[] = {EYE_VERDICT_ENDED, EYE_VERDICT_NOT_IT};
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        struct bpf_sock sk = {0};
        setup(state);
        host->socket.stream.client = EYE_CLIENT_PEER;
        eye_leave_conversation(&sk, &host->socket.stream, &host->conversation, verdicts[i]);
        assert_int_equal(host->socket.stream.confirmed, 0);
        assert_int_equal(host->socket.stream.client, EYE_CLIENT_UNKNOWN);
        assert_int_equal(host->deleted_conversations, 1);
        assert_int_equal(host->deleted_pipelines, 1);
    }
}

/* One byte more than was seen is a FIN where there can be one, else a byte that was missed. */
static void discount_fin__of_a_direction_that_is_closed(void **state)
{
    static const struct {
        __u32 tcp_state, acknowledged, discounted;
    } cases[] = {
        {TCP_FIN_WAIT1, 101, 100},   {TCP_CLOSE_WAIT, 101, 100}, {TCP_LAST_ACK, 101, 100},
        {TCP_FIN_WAIT1, 102, 102},   {TCP_FIN_WAIT1, 100, 100},  {TCP_ESTABLISHED, 101, 101},
        {TCP_ESTABLISHED, 100, 100},
    };
    (void)state;
    struct eye_half *halves = host->conversation.halves;
    for (__u32 side = 0; side < 2; side++) {
        halves[side ^ 1].next_sequence = 100;
        halves[side].next_sequence = 1000;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            const struct bpf_sock sk = {.state = cases[i].tcp_state};
            struct eye_cursor at = {.side = side, .acknowledged = cases[i].acknowledged};
            eye_discount_fin(&sk, &host->conversation, &at);
            assert_int_equal(at.acknowledged, cases[i].discounted);
        }
    }
}

static void missed_bytes__are_more_than_a_fin(void **state)
{
    static const struct {
        __u32 seen, there;
        bool missed;
    } cases[] = {
        {100, 100, false},      {100, 101, false},     {100, 102, true},
        {UINT32_MAX, 0, false}, {UINT32_MAX, 1, true}, {UINT32_MAX - 1, UINT32_MAX, false},
    };
    (void)state;
    struct eye_stream *stream = &host->socket.stream;
    for (__u32 side = 0; side < 2; side++) {
        struct eye_half *responses = &host->conversation.halves[side];
        stream->client = side == EYE_SENT ? EYE_CLIENT_PEER : EYE_CLIENT_THIS_END;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            responses->next_sequence = cases[i].seen;
            host->tcp.snd_nxt = side == EYE_SENT ? cases[i].there : 0x7fffffff;
            host->tcp.rcv_nxt = side == EYE_SENT ? 0x7fffffff : cases[i].there;
            responses->synced = 1;
            assert_int_equal(eye_missed_bytes(stream, &host->conversation, &host->tcp),
                             cases[i].missed);
            responses->synced = 0; /* where it stands was never known */
            assert_true(eye_missed_bytes(stream, &host->conversation, &host->tcp));
        }
    }
}

#define TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parent_of__is_who_runs_the_same_program),
        TEST(introduce_current__again_after_so_many_passes),
        TEST(introduce__again_until_the_ring_took_it),
        TEST(read_environment__takes_what_there_is_room_for),
        TEST(take_first_payload__is_of_the_same_peer),
        TEST(take_first_payload__happens_once),
        TEST(adopt_conversation__moves_the_pipeline_when_it_is_used),
        TEST(leave__frees_what_the_socket_held),
        TEST(discount_fin__of_a_direction_that_is_closed),
        TEST(missed_bytes__are_more_than_a_fin),
    };
    return cmocka_run_group_tests_name("handlers", tests, NULL, NULL);
}

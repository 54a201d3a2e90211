/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions of the kernel programs that live traffic hardly ever reaches, on the host: the handlers
 * themselves, over structures of the kernel that hold what the test says. The helpers called on the
 * way are functions of this file; any other one is an address that nobody can call.
 */
#include <errno.h>
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
#define bpf_ktime_get_ns host_now
#define bpf_map_lookup_elem host_look_up
#define bpf_probe_read_user host_read_user
#define bpf_ringbuf_output host_output
#define bpf_ringbuf_query host_query
#define bpf_ringbuf_reserve host_reserve
#define bpf_ringbuf_submit host_submit
#define bpf_sk_storage_delete host_delete
#define bpf_sk_storage_get host_socket_storage
#define bpf_skb_load_bytes host_load
#define bpf_skc_to_tcp_sock host_tcp_of
#define bpf_tail_call_static host_tail_call
#define bpf_task_storage_get host_task_storage

static struct task_struct *host_current_task(void);
static __u64 host_now(void);
static void *host_look_up(void *map, const void *key);
static long host_read_user(void *target, __u32 bytes, const void *source);
static long host_output(void *ring, const void *record, __u64 bytes, __u64 flags);
static __u64 host_query(void *ring, __u64 flags);
static void *host_reserve(void *ring, __u64 bytes, __u64 flags);
static long host_load(const void *skb, __u32 offset, void *target, __u32 bytes);
static void host_submit(void *record, __u64 flags);
static struct tcp_sock *host_tcp_of(const void *sk);
static long host_delete(void *map, void *sk);
static void *host_socket_storage(void *map, void *sk, void *value, __u64 flags);
static long host_tail_call(void *skb, void *programs, __u32 index);
static void *host_task_storage(void *map, struct task_struct *task, void *value, __u64 flags);

#include "bpf/process/life.bpf.h"
#include "bpf/usm/dispatch.bpf.h"
#include "bpf/usm/lifecycle.bpf.h"
#include "bpf/usm/payloads.bpf.h"

EYE_PROTOCOL_PROGRAMS(http)
#pragma GCC diagnostic pop

#define ENVIRONMENT "DD_SERVICE=shop"

struct host {
    struct task_struct task; /* a group leader, the current process */
    struct css_set cgroups;
    struct signal_struct signals;
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
    size_t outputs;   /* of records in one call, those that were not taken, too */
    size_t asked;     /* for conversations */
    bool no_memory;   /* for a conversation */
    const char *payload;
    __u32 payload_bytes;
    union {
        struct eye_loss_record loss;
        struct eye_request_head request;
        char bytes[512];
    } output;         /* the last one */
    __u64 ring_bytes; /* that nobody has read */
    size_t queries, wakes;
    size_t deleted_conversations, deleted_pipelines;
    const void *called; /* the slots of the last tail call */
    __u32 called_at;
};

static struct host *host;

static struct task_struct *host_current_task(void)
{
    return &host->task;
}

static __u64 host_now(void)
{
    return 1;
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
    assert_int_equal(flags, BPF_RB_AVAIL_DATA);
    host->queries++;
    return host->ring_bytes;
}

static long host_output(void *ring, const void *record, __u64 bytes, __u64 flags)
{
    host->wakes += flags == BPF_RB_FORCE_WAKEUP;
    assert_true(ring == &requests || ring == &wishes);
    assert_true(bytes <= sizeof(host->output));
    memcpy(&host->output, record, bytes);
    host->outputs++;
    return host->has_room ? 0 : -ENOSPC;
}

static long host_load(const void *skb, __u32 offset, void *target, __u32 bytes)
{
    (void)skb;
    if (offset + bytes > host->payload_bytes) {
        return -EFAULT;
    }
    memcpy(target, host->payload + offset, bytes);
    return 0;
}

static long host_tail_call(void *skb, void *programs, __u32 index)
{
    (void)skb;
    host->called = programs;
    host->called_at = index;
    return -1;
}

static void host_submit(void *record, __u64 flags)
{
    (void)flags;
    assert_ptr_equal(record, &host->record);
    host->submitted++;
}

static struct tcp_sock *host_tcp_of(const void *sk)
{
    assert_non_null(sk);
    return &host->tcp;
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
    bool made = flags & BPF_SK_STORAGE_GET_F_CREATE;
    (void)sk;
    (void)value;
    if (map == &sockets) {
        return &host->socket;
    }
    host->pipelines += map == &pipelines;
    if (map == &pipelines) {
        return &host->pipeline;
    }
    host->asked += made;
    bool there = made ? !host->no_memory : host->conversation.protocol != EYE_PROTOCOL_UNKNOWN;
    return there ? &host->conversation : NULL;
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
    eye_switches = 0;
    eye_protocols_off = 0;
    memset(eye_epochs, 0, sizeof(eye_epochs));
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
        eye_introduce_tracing();
        assert_int_equal(host->records, 0);
    }
    eye_pass = 7 + EYE_INTRODUCE_PASSES;
    eye_introduce_tracing();
    assert_int_equal(host->records, 1);
    eye_pass = 7;
    host->introduced.owner++; /* an exec in between */
    eye_introduce_tracing();
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
    static int (*const ways[])(void) = {eye_introduce_tracing, introduce_older};
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

/* The key that its sockets had: that of one exec ago. */
static void exec__ends_the_program_before(void **state)
{
    (void)state;
    __u64 before = eye_owner_of(&host->task);
    host->has_room = true;
    host->task.self_exec_id++;
    eye_handle_exec();
    assert_int_equal(host->losses[EYE_COUNT_EXECS], 1);
    assert_int_equal(host->submitted, 1);
    assert_int_equal(((const struct eye_ended_record *)&host->record)->owner, before);
}

/* A process ends with its last thread, and is counted with its first, unless another one of it
 * executes. */
static void exit__counts_processes(void **state)
{
    struct task_struct other = {
        .pid = 43, .tgid = 42, .signal = &host->signals, .group_leader = &host->task};
    (void)state;
    host->has_room = true;
    host->task.pid = 42;
    host->task.signal = &host->signals;
    host->signals.live.counter = 1;
    eye_handle_exit(&other);
    assert_int_equal(host->losses[EYE_COUNT_EXITS], 0);
    host->signals.group_exec_task = &other;
    eye_handle_exit(&host->task);
    assert_int_equal(host->losses[EYE_COUNT_EXITS], 0);
    host->signals.group_exec_task = NULL;
    eye_handle_exit(&host->task);
    assert_int_equal(host->losses[EYE_COUNT_EXITS], 1);
    assert_int_equal(host->submitted, 0);
    host->signals.live.counter = 0;
    eye_handle_exit(&other);
    assert_int_equal(host->losses[EYE_COUNT_EXITS], 1);
    assert_int_equal(host->submitted, 1);
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

/* Whose the conversation is, as far as the child knows. */
static void take_first_payload__is_the_childs(void **state)
{
    (void)state;
    receive_first(5);
    host->first.socket.stream.protocol = EYE_PROTOCOL_HTTP;
    host->tcp.inet_conn.icsk_inet.inet_sport = bpf_htons(80);
    assert_true(takes_first(5));
    assert_int_equal(host->first.conversation.owner, 77);
    assert_int_equal(host->first.conversation.port, 80);
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
        host->socket.stream.protocol = EYE_PROTOCOL_HTTP;
        host->socket.stream.recognised = 1; /* a guess, from before the programs */
        const struct eye_cursor at = {.verdict = verdicts[i]};
        eye_leave_conversation(&sk, &host->conversation, &at);
        assert_int_equal(eye_spoken(&host->socket.stream),
                         i == 0 ? EYE_PROTOCOL_HTTP : EYE_PROTOCOL_UNKNOWN);
        assert_int_equal(host->socket.stream.protocol,
                         i == 0 ? EYE_PROTOCOL_TUNNEL : EYE_PROTOCOL_UNKNOWN);
        assert_int_equal(host->socket.stream.looks, i);
        assert_int_equal(host->socket.stream.recognised, i == 0);
        assert_int_equal(host->deleted_conversations, 1);
        assert_int_equal(host->deleted_pipelines, 1);
    }
}

/* Every loss of a connection is told once, when the ring takes it. */
static void report__until_the_ring_took_it(void **state)
{
    struct eye_conversation *conversation = &host->conversation;
    (void)state;
    conversation->protocol = EYE_PROTOCOL_HTTP;
    eye_note_whose(conversation, 77, 80);
    conversation->client = EYE_CLIENT_THIS_END;
    eye_note_loss(conversation, EYE_LOST_STEPS, 3);
    eye_report(conversation);
    assert_int_equal(host->outputs, 1);
    assert_int_equal(conversation->troubled, 1);
    assert_int_equal(conversation->lost[EYE_LOST_STEPS], 3);
    host->has_room = true;
    eye_report(conversation);
    assert_int_equal(host->outputs, 2);
    assert_int_equal(conversation->troubled, 0);
    assert_int_equal(host->output.loss.owner, 77);
    assert_int_equal(host->output.loss.port, 80);
    assert_int_equal(host->output.loss.loss, EYE_LOSS_HTTP_STEPS);
    assert_int_equal(host->output.loss.amount, 3);
    assert_int_equal(host->output.loss.client, 1);
    eye_report(conversation);
    assert_int_equal(host->outputs, 2);
    conversation->client = EYE_CLIENT_PEER;
    eye_note_loss(conversation, EYE_LOST_GAP, 1);
    eye_report(conversation);
    assert_int_equal(host->output.loss.client, 0);
    assert_int_equal(host->output.loss.amount, 1);
}

/* The longest request is told whole, and a full ring is counted. */
static void tell__a_request_with_the_longest_body(void **state)
{
    struct eye_request request = {.head.body_bytes = EYE_REQUEST_BODY_MAX};
    (void)state;
    host->conversation.protocol = EYE_PROTOCOL_HTTP;
    eye_tell(&host->conversation, &request);
    assert_int_equal(host->outputs, 1);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_RING], 1);
    assert_int_equal(host->conversation.lost[EYE_LOST_RING], 1);
}

/*
 * Few requests ask how full the ring is, and one of them wakes the collector long before it is
 * full: with a clock that stands still as with one that does not, in pipelines and connections.
 */
static void tell__wakes_before_the_ring_is_full(void **state)
{
    static const struct {
        __u32 duration_ns, sequence; /* from one request to the next */
    } steps[] = {{0, 1},   {0, 32},    {0, 40},     {0, 64},       {0, 4096},
                 {1, 0},   {10, 0},    {1000, 0},   {4000000, 0},  {4000000, 64},
                 {37, 83}, {100, 160}, {1000, 191}, {12345, 1448}, {777, 0x9d2c5680}};
    const __u64 bytes = 8 + sizeof(struct eye_request_head) + EYE_REQUEST_BODY_MAX;
    (void)state;
    host->has_room = true;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct eye_request request = {.sequence = 3000000000, .head.duration_ns = 123456};
        size_t told = 0;
        host->wakes = 0;
        host->queries = 0;
        for (host->ring_bytes = 0; host->ring_bytes < UINT64_C(1024) * 1024;
             host->ring_bytes += bytes) {
            request.head.body_bytes = EYE_REQUEST_BODY_MAX;
            eye_tell(&host->conversation, &request);
            request.head.duration_ns += steps[i].duration_ns;
            request.sequence += steps[i].sequence;
            told++;
            if (host->ring_bytes < EYE_REQUESTS_WAKE_BYTES) {
                assert_int_equal(host->wakes, 0);
            }
            if (host->ring_bytes > UINT64_C(2) * EYE_REQUESTS_WAKE_BYTES + EYE_REQUESTS_WAKE_SPAN) {
                assert_true(host->wakes > 0);
            }
        }
        assert_in_range(host->queries, told / 64, told / 16);
    }
}

/* What waits when the parser leaves is lost, and whose it was is told at once. */
static void leave__tells_what_is_lost(void **state)
{
    struct bpf_sock sk = {0};
    (void)state;
    host->has_room = true;
    host->conversation.protocol = EYE_PROTOCOL_HTTP;
    host->conversation.confirmed = 1;
    host->conversation.queue.pushed = 2;
    const struct eye_cursor at = {.verdict = EYE_VERDICT_ENDED};
    eye_leave_conversation(&sk, &host->conversation, &at);
    assert_int_equal(host->outputs, 1);
    assert_int_equal(host->output.loss.loss, EYE_LOSS_HTTP_UNANSWERED);
    assert_int_equal(host->output.loss.amount, 2);
    assert_int_equal(host->socket.stream.recognised, 1);
    assert_false(eye_is_unrecognised(&host->socket.stream));
}

static void find_conversation__without_memory_is_counted(void **state)
{
    struct bpf_sock sk = {0};
    (void)state;
    host->socket.stream.protocol = EYE_PROTOCOL_HTTP;
    host->no_memory = true;
    assert_null(eye_find_conversation(&sk, EYE_PROTOCOL_HTTP));
    assert_int_equal(host->losses[EYE_LOSS_HTTP_STORAGE], 1);
}

/* What another protocol left behind is not this one's; a new one and its own stay as they are. */
static void find_conversation__begins_after_another_protocol(void **state)
{
    static const struct {
        __u8 before;
        bool begins;
    } cases[] = {
        {EYE_PROTOCOL_UNKNOWN, false}, {EYE_PROTOCOL_HTTP, false}, {EYE_PROTOCOL_COUNT, true}};
    struct bpf_sock sk = {0};
    (void)state;
    host->socket.stream.protocol = EYE_PROTOCOL_HTTP;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        host->conversation.protocol = cases[i].before;
        host->conversation.halves[1].phase = EYE_PHASE_SKIP;
        host->conversation.halves[1].held = 5;
        host->conversation.queue.pushed = 1;
        assert_ptr_equal(eye_find_conversation(&sk, EYE_PROTOCOL_HTTP), &host->conversation);
        assert_int_equal(host->conversation.protocol, EYE_PROTOCOL_HTTP);
        assert_int_equal(host->conversation.halves[1].phase,
                         cases[i].begins ? EYE_PHASE_START : EYE_PHASE_SKIP);
        assert_int_equal(host->conversation.halves[1].held, cases[i].begins ? 0 : 5);
        assert_int_equal(host->conversation.queue.pushed, !cases[i].begins);
    }
}

/* The other direction has just found, on another CPU, that the protocol is over, or another. */
static void handle_payload__of_a_protocol_that_is_over(void **state)
{
    static const __u8 protocols[] = {EYE_PROTOCOL_UNKNOWN, EYE_PROTOCOL_NONE, EYE_PROTOCOL_TUNNEL,
                                     EYE_PROTOCOL_HTTP + 1};
    const struct eye_passed passed = {.segment = {.bytes = 1}};
    struct __sk_buff skb = {0};
    struct bpf_sock sk = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        host->no_memory = true; /* goes no further in any case */
        host->socket.stream.protocol = protocols[i];
        eye_handle_payload(&skb, &sk, &passed, EYE_SENT, EYE_PROTOCOL_HTTP, &eye_http_parser,
                           eye_http_all_steps);
        assert_int_equal(host->asked, 0);
    }
    host->socket.stream.protocol = EYE_PROTOCOL_HTTP;
    eye_handle_payload(&skb, &sk, &passed, EYE_SENT, EYE_PROTOCOL_HTTP + 1, &eye_http_parser,
                       eye_http_all_steps);
    assert_int_equal(host->asked, 0);
    eye_handle_payload(&skb, &sk, &passed, EYE_SENT, EYE_PROTOCOL_HTTP, &eye_http_parser,
                       eye_http_all_steps);
    assert_int_equal(host->asked, 1);
}

/* Who closed first, and how, as a request that waits for its answer sees it. */
static void request_error__is_what_ended_the_connection(void **state)
{
    static const struct {
        int error, old_state;
        __u8 client, request_error;
    } cases[] = {
        {0, TCP_FIN_WAIT2, EYE_CLIENT_THIS_END, EYE_REQUEST_CANCELLED},
        {0, TCP_LAST_ACK, EYE_CLIENT_PEER, EYE_REQUEST_CANCELLED},
        {0, TCP_CLOSE_WAIT, EYE_CLIENT_PEER, EYE_REQUEST_CANCELLED},
        {0, TCP_LAST_ACK, EYE_CLIENT_THIS_END, EYE_REQUEST_CLOSED},
        {0, TCP_CLOSE_WAIT, EYE_CLIENT_THIS_END, EYE_REQUEST_CLOSED},
        {0, TCP_FIN_WAIT2, EYE_CLIENT_PEER, EYE_REQUEST_CLOSED},
        {0, TCP_ESTABLISHED, EYE_CLIENT_PEER, EYE_REQUEST_RESET},
        {0, TCP_ESTABLISHED, EYE_CLIENT_THIS_END, EYE_REQUEST_CANCELLED},
        {ECONNRESET, TCP_ESTABLISHED, EYE_CLIENT_THIS_END, EYE_REQUEST_RESET},
        {EPIPE, TCP_CLOSE_WAIT, EYE_CLIENT_THIS_END, EYE_REQUEST_RESET},
        {ETIMEDOUT, TCP_ESTABLISHED, EYE_CLIENT_THIS_END, EYE_REQUEST_TIMEOUT},
        {EHOSTUNREACH, TCP_ESTABLISHED, EYE_CLIENT_THIS_END, EYE_REQUEST_FAILED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct sock sk = {.sk_err = cases[i].error};
        host->conversation.client = cases[i].client;
        assert_int_equal(eye_request_error_of(&sk, &host->conversation, cases[i].old_state),
                         cases[i].request_error);
    }
}

/* A close tells what the connection lost; a whole head is proof enough of its protocol. */
static void end_conversation__tells_what_is_lost(void **state)
{
    struct sock *sk = &host->tcp.inet_conn.icsk_inet.sk;
    (void)state;
    host->has_room = true;
    host->socket.stream.owner = 77;
    host->socket.stream.port = 80;
    host->socket.stream.protocol = EYE_PROTOCOL_HTTP;
    host->conversation.confirmed = 1;
    host->conversation.protocol = EYE_PROTOCOL_HTTP;
    host->conversation.queue.pushed = 1;
    eye_end_conversation(sk, &host->socket, TCP_ESTABLISHED);
    assert_int_equal(host->socket.stream.recognised, 1);
    assert_int_equal(host->outputs, 1);
    assert_int_equal(host->output.loss.loss, EYE_LOSS_HTTP_UNANSWERED);
    assert_int_equal(host->output.loss.owner, 77); /* as of now, not of the last payload */
    assert_int_equal(host->output.loss.port, 80);
}

/* Nobody asks any more what became of the requests of a protocol that was switched off. */
static void end_conversation__of_a_protocol_that_is_off_tells_nothing(void **state)
{
    struct sock *sk = &host->tcp.inet_conn.icsk_inet.sk;
    (void)state;
    host->has_room = true;
    host->socket.stream.protocol = EYE_PROTOCOL_HTTP;
    host->conversation.confirmed = 1;
    host->conversation.protocol = EYE_PROTOCOL_HTTP;
    host->conversation.queue.pushed = 1;
    eye_epochs[EYE_PROTOCOL_HTTP]++;
    eye_end_conversation(sk, &host->socket, TCP_ESTABLISHED);
    assert_int_equal(host->outputs, 0);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_UNANSWERED], 0);
    assert_false(eye_is_unrecognised(&host->socket.stream));
}

/* A payload is looked at so often, and then only when the turn changes. */
static void count_look__gives_up_behind_the_last_one(void **state)
{
    struct eye_stream *stream = &host->socket.stream;
    (void)state;
    assert_false(eye_is_unrecognised(stream));
    for (int looks = 1; looks <= EYE_LOOKS_MAX + 1; looks++) {
        eye_count_look(stream);
        assert_int_equal(stream->protocol,
                         looks < EYE_LOOKS_MAX ? EYE_PROTOCOL_UNKNOWN : EYE_PROTOCOL_NONE);
        assert_true(eye_is_unrecognised(stream));
    }
    stream->recognised = 1;
    assert_false(eye_is_unrecognised(stream));
}

/* What the configuration switched off is not looked for. */
static void recognise__only_what_is_wanted(void **state)
{
    static const struct eye_glance glance = {.bytes = "GET / HTTP/1.1\r\n\r\n"};
    const __u32 http = 1U << EYE_PROTOCOL_HTTP;
    (void)state;
    assert_int_equal(eye_recognise_glance(&glance, 18, http), EYE_PROTOCOL_HTTP);
    assert_int_equal(eye_recognise_glance(&glance, 18, ~0U), EYE_PROTOCOL_HTTP);
    assert_int_equal(eye_recognise_glance(&glance, 18, ~http), EYE_PROTOCOL_UNKNOWN);
    assert_int_equal(eye_recognise_glance(&glance, 18, 0), EYE_PROTOCOL_UNKNOWN);
}

/* A listener without an entry of its own gives its child none of another connection's. */
static void begin_first_payload__starts_as_the_listener(void **state)
{
    const struct eye_socket listener = {.stream.owner = 78, .port_is_chosen = 1};
    (void)state;
    receive_first(5);
    assert_ptr_equal(eye_begin_first_payload(NULL, 6), &host->first);
    assert_int_equal(host->first.socket.stream.owner, 0);
    assert_int_equal(host->first.source, 6);
    eye_begin_first_payload(&listener, 7);
    assert_int_equal(host->first.socket.stream.owner, 78);
    assert_int_equal(host->first.socket.phase, EYE_SOCKET_LISTENING);
    assert_true(host->first.present);
    eye_forget_first_payload();
    assert_false(host->first.present);
}

/* ---- bpf/usm: payloads ---- */

static struct eye_segment segment_of(const char *payload)
{
    host->payload = payload;
    host->payload_bytes = (__u32)strlen(payload);
    return (struct eye_segment){.sequence = 100, .bytes = host->payload_bytes};
}

static bool recognises(const char *payload, __u32 side)
{
    struct __sk_buff skb = {0};
    struct eye_segment segment = segment_of(payload);
    return eye_recognise(&skb, &host->socket, &segment, side);
}

static void recognise__looks_when_the_turn_changes(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\n\r\n";
    struct eye_stream *stream = &host->socket.stream;
    (void)state;
    stream->protocol = EYE_PROTOCOL_NONE;
    stream->looks = EYE_LOOKS_MAX;
    assert_false(recognises("?", EYE_SENT));
    assert_false(recognises(get, EYE_SENT));
    assert_false(recognises("?", EYE_RECEIVED));
    assert_false(recognises(get, EYE_RECEIVED));
    assert_true(recognises(get, EYE_SENT));
    assert_int_equal(stream->protocol, EYE_PROTOCOL_HTTP);
}

/* What has no parser is looked at as rarely as what nobody knows, and what follows it is followed.
 */
static void recognise__what_has_no_parser(void **state)
{
    static const char ssh[] = "SSH-2.0-OpenSSH_9.2\r\n", amqp[] = "AMQP\3\1";
    static const char hello[] = "\x16\x03\x01\x01\x20\x01";
    struct eye_stream *stream = &host->socket.stream;
    (void)state;
    assert_false(recognises(ssh, EYE_SENT));
    assert_int_equal(eye_spoken(stream), EYE_CLASS_SSH);
    assert_int_equal(stream->protocol, EYE_PROTOCOL_NONE);
    assert_false(eye_is_unrecognised(stream));
    assert_false(recognises(amqp, EYE_RECEIVED));
    assert_int_equal(eye_spoken(stream), EYE_CLASS_SSH);
    assert_false(recognises(hello, EYE_SENT)); /* a part of one decides nothing */
    assert_int_equal(eye_spoken(stream), EYE_CLASS_SSH);
    assert_true(recognises("GET / HTTP/1.1\r\n\r\n", EYE_RECEIVED));
    stream->recognised = 1;
    assert_int_equal(eye_spoken(stream), EYE_PROTOCOL_HTTP);
    const struct eye_cursor at = {.verdict = EYE_VERDICT_NOT_IT};
    eye_end_protocol(stream, &host->conversation, &at);
    assert_int_equal(eye_spoken(stream), EYE_CLASS_SSH);
}

/* Behind a protocol that is over it is called that, until something else is known. */
static void recognise__what_follows_a_protocol(void **state)
{
    const struct eye_cursor at = {.verdict = EYE_VERDICT_ENDED, .side = EYE_SENT};
    struct eye_stream *stream = &host->socket.stream;
    (void)state;
    host->conversation.halves[EYE_SENT].mark = EYE_CLASS_WEBSOCKET;
    stream->protocol = EYE_PROTOCOL_HTTP;
    eye_end_protocol(stream, &host->conversation, &at);
    assert_int_equal(eye_spoken(stream), EYE_CLASS_WEBSOCKET);
    assert_false(recognises("SSH-2.0-OpenSSH_9.2\r\n", EYE_SENT));
    assert_int_equal(eye_spoken(stream), EYE_CLASS_WEBSOCKET);
    host->conversation.halves[EYE_SENT].mark = 0;
    stream->protocol = EYE_PROTOCOL_HTTP;
    eye_end_protocol(stream, &host->conversation, &at);
    assert_int_equal(eye_spoken(stream), EYE_PROTOCOL_HTTP);
    assert_false(recognises("SSH-2.0-OpenSSH_9.2\r\n", EYE_SENT));
    assert_int_equal(stream->protocol, EYE_PROTOCOL_TUNNEL);
    assert_int_equal(eye_spoken(stream), EYE_CLASS_SSH);
}

/* A protocol that asks for TLS goes on inside: its hello is looked for, and nothing behind it. */
static void recognise__the_hello_of_what_goes_on_inside(void **state)
{
    static const char hello[] = "\x16\x03\x01\x01\x20\x01\0\x01\x1c\x03\x03 and more";
    const struct eye_cursor at = {.verdict = EYE_VERDICT_ENDED, .side = EYE_SENT};
    struct eye_stream *stream = &host->socket.stream;
    struct __sk_buff skb = {0};
    (void)state;
    host->conversation.halves[EYE_SENT].mark = EYE_CLASS_TLS;
    stream->protocol = EYE_PROTOCOL_MYSQL;
    eye_end_protocol(stream, &host->conversation, &at);
    assert_int_equal(stream->inside, EYE_PROTOCOL_MYSQL);
    assert_true(eye_is_worth_a_look(stream, EYE_SPOKE_THIS_END));
    host->payload = hello;
    host->payload_bytes = sizeof(hello);
    struct eye_segment segment = {.sequence = 100, .bytes = sizeof(hello)};
    assert_false(eye_recognise(&skb, &host->socket, &segment, EYE_SENT));
    assert_int_equal(eye_spoken(stream), EYE_CLASS_TLS);
    assert_int_equal(stream->protocol, EYE_PROTOCOL_TUNNEL);
    assert_false(eye_is_worth_a_look(stream, EYE_SPOKE_PEER));
    host->conversation.halves[EYE_SENT].mark = EYE_CLASS_WEBSOCKET;
    stream->protocol = EYE_PROTOCOL_HTTP;
    eye_end_protocol(stream, &host->conversation, &at);
    assert_int_equal(stream->inside, EYE_PROTOCOL_UNKNOWN);
    assert_false(eye_is_worth_a_look(stream, EYE_SPOKE_PEER));
}

/* What a load balancer says is no payload of the protocol behind it. */
static void recognise__behind_a_proxys_line(void **state)
{
    static const char line[] = "PROXY UNKNOWN\r\n", get[] = "GET / HTTP/1.1\r\n\r\n";
    struct eye_stream *stream = &host->socket.stream;
    struct __sk_buff skb = {0};
    (void)state;
    assert_false(recognises(line, EYE_SENT));
    assert_int_equal(stream->prefix, sizeof(line) - 1);
    assert_int_equal(stream->looks, 0);
    assert_false(eye_is_unrecognised(stream));
    assert_true(recognises(get, EYE_SENT));
    stream->protocol = EYE_PROTOCOL_UNKNOWN;
    struct eye_segment segment = segment_of("PROXY UNKNOWN\r\nGET / HTTP/1.1\r\n\r\n");
    assert_true(eye_recognise(&skb, &host->socket, &segment, EYE_SENT));
    assert_int_equal(segment.sequence, 100 + sizeof(line) - 1);
    assert_int_equal(segment.offset, sizeof(line) - 1);
    assert_int_equal(segment.bytes, sizeof(get) - 1);
    stream->protocol = EYE_PROTOCOL_UNKNOWN;
    segment = segment_of("PROXY UNKN"); /* HTTP's parser puts pieces together */
    assert_true(eye_recognise(&skb, &host->socket, &segment, EYE_SENT));
    assert_int_equal(stream->protocol, EYE_PROTOCOL_HTTP);
    assert_int_equal(segment.offset, 0);
}

/* At a port that a rule names its protocol is spoken, and no other one, unless it is off. */
static void recognise__what_a_port_tells(void **state)
{
    struct eye_stream *stream = &host->socket.stream;
    (void)state;
    stream->port = 81;
    eye_ports[81] = EYE_PROTOCOL_REDIS;
    assert_true(recognises("GET / HTTP/1.1\r\n\r\n", EYE_SENT));
    assert_int_equal(stream->protocol, EYE_PROTOCOL_REDIS);
    stream->protocol = EYE_PROTOCOL_UNKNOWN;
    assert_false(recognises("SSH-2.0-OpenSSH_9.2\r\n", EYE_SENT));
    assert_int_equal(stream->protocol, EYE_PROTOCOL_NONE);
    *stream = (struct eye_stream){.port = 81};
    eye_protocols_off = 1U << EYE_PROTOCOL_REDIS;
    assert_false(recognises("GET / HTTP/1.1\r\n\r\n", EYE_SENT));
    eye_protocols_off = 0;
    eye_ports[81] = 0;
}

/* Where the first line ends within what is looked at, it tells more than its beginning does. */
static void recognise__looks_as_far_as_it_says(void **state)
{
    char line[EYE_LOOK_BYTES + 2];
    (void)state;
    memset(line, 'a', sizeof(line));
    memcpy(line, "SET ", 4);
    line[EYE_LOOK_BYTES - 1] = '\n';
    line[EYE_LOOK_BYTES] = '\0';
    assert_false(recognises(line, EYE_SENT));
    line[EYE_LOOK_BYTES - 1] = 'a';
    line[EYE_LOOK_BYTES] = '\n';
    line[EYE_LOOK_BYTES + 1] = '\0';
    assert_true(recognises(line, EYE_SENT));
}

/* The payload programs are attached, and what they see does not count yet, or no more. */
static void recognise__nothing_while_all_is_off(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\n\r\n";
    (void)state;
    eye_switches = 3;
    assert_false(recognises(get, EYE_SENT));
    assert_int_equal(host->socket.stream.looks, 0);
    eye_switches = 4;
    assert_true(recognises(get, EYE_SENT));
}

/* Switched off and on again, a stream that spoke it is looked at anew. */
static void followed__until_it_is_switched_off(void **state)
{
    struct bpf_sock sk = {.state = TCP_ESTABLISHED};
    struct __sk_buff skb = {.sk = &sk};
    struct eye_stream *stream = &host->socket.stream;
    (void)state;
    eye_epochs[EYE_PROTOCOL_HTTP] = 255;
    assert_true(recognises("GET / HTTP/1.1\r\n\r\n", EYE_SENT));
    assert_true(eye_is_followed(stream, stream->protocol));
    assert_false(eye_is_followed(stream, EYE_PROTOCOL_UNKNOWN));
    assert_false(eye_is_followed(stream, EYE_PROTOCOL_TUNNEL));
    eye_epochs[EYE_PROTOCOL_HTTP]++;
    assert_false(eye_is_followed(stream, stream->protocol));
    eye_follow_no_more(&skb, stream);
    assert_int_equal(host->deleted_conversations, 1);
    assert_int_equal(host->deleted_pipelines, 1);
    assert_false(eye_has_protocol(stream));
    assert_false(eye_is_unrecognised(stream));
    assert_true(recognises("GET / HTTP/1.1\r\n\r\n", EYE_SENT));
    assert_true(eye_is_followed(stream, stream->protocol));
}

/* Its programs were taken away: nothing is missed, and nothing wished for. */
static void wish__of_a_protocol_that_is_off_is_none(void **state)
{
    (void)state;
    host->has_room = true;
    eye_protocols_wished = 0;
    eye_protocols_off = 1U << EYE_PROTOCOL_HTTP;
    eye_wish(&host->socket.stream, 0, EYE_PROTOCOL_HTTP);
    assert_int_equal(host->outputs, 0);
    assert_int_equal(eye_protocols_wished, 0);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_NOT_LOADED], 0);
}

/* What was left before the programs were detached is of another time, and perhaps another
 * listener's. */
static void first_payload__is_no_childs_after_a_switch(void **state)
{
    static const struct {
        __u8 left;
        __u8 taken;
        bool fresh;
    } cases[] = {{0, 0, true}, {0, 1, false}, {1, 1, false}, {0, 2, false}, {2, 2, true}};
    static const char get[] = "GET / HTTP/1.1\r\n\r\n";
    struct bpf_sock listener = {.state = TCP_LISTEN};
    struct __sk_buff skb = {.sk = &listener};
    struct eye_segment segment = segment_of(get);
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eye_switches = cases[i].left;
        eye_handle_first_payload(&skb, &listener, &segment);
        eye_switches = cases[i].taken;
        assert_int_equal(eye_is_fresh(&host->first), cases[i].fresh);
    }
}

/* The slot is empty: each payload is counted, the collector is told once. */
static void hand_over__wishes_once(void **state)
{
    const struct eye_segment segment = {
        .sequence = 0xfffffff0, .acknowledged = 7, .offset = 52, .bytes = 48, .opening = true};
    struct __sk_buff skb = {.len = 100};
    (void)state;
    host->has_room = true;
    host->socket.direction = EYE_OUTGOING;
    host->socket.stream.port = 50000;
    host->socket.stream.owner = 0x123456789abcdef0;
    eye_protocols_wished = 0;
    eye_hand_over(&skb, &host->socket, &segment, EYE_SENT, EYE_PROTOCOL_HTTP);
    assert_ptr_equal(host->called, &senders);
    eye_hand_over(&skb, &host->socket, &segment, EYE_RECEIVED, EYE_PROTOCOL_HTTP);
    assert_ptr_equal(host->called, &receivers);
    assert_int_equal(host->called_at, EYE_PROTOCOL_HTTP);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_NOT_LOADED], 2);
    assert_int_equal(host->outputs, 3); /* two losses and a wish */
    assert_int_equal(host->output.loss.loss, EYE_LOSS_HTTP_NOT_LOADED);
    assert_int_equal(host->output.loss.amount, 1);
    assert_int_equal(host->output.loss.port, 50000);
    assert_int_equal(host->output.loss.client, 1);
    assert_false(eye_is_unrecognised(&host->socket.stream));
    struct eye_passed passed = eye_take_passed(&skb);
    assert_int_equal(passed.segment.sequence, segment.sequence);
    assert_int_equal(passed.segment.acknowledged, segment.acknowledged);
    assert_int_equal(passed.segment.offset, segment.offset);
    assert_int_equal(passed.segment.bytes, segment.bytes);
    assert_true(passed.segment.opening);
    assert_int_equal(passed.owner, host->socket.stream.owner);
    assert_int_equal(passed.port, 50000);
    eye_protocols_wished = 0;                        /* as the collector takes it back */
    eye_protocols_refused = 1U << EYE_PROTOCOL_HTTP; /* whose it is has been told often enough */
    eye_hand_over(&skb, &host->socket, &segment, EYE_SENT, EYE_PROTOCOL_HTTP);
    assert_int_equal(host->outputs, 4);
    assert_int_equal(host->output.bytes[0], EYE_PROTOCOL_HTTP);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_NOT_LOADED], 3);
    eye_protocols_refused = 0;
}

/* A wish that could not be told is told with the next payload. */
static void wish__is_told_until_it_is_heard(void **state)
{
    (void)state;
    eye_protocols_wished = 1U << 31;
    eye_wish(&host->socket.stream, 0, EYE_PROTOCOL_HTTP);
    eye_wish(&host->socket.stream, 0, EYE_PROTOCOL_HTTP);
    assert_int_equal(host->outputs, 4); /* each with a loss */
    host->has_room = true;
    eye_wish(&host->socket.stream, 0, EYE_PROTOCOL_HTTP);
    eye_wish(&host->socket.stream, 0, EYE_PROTOCOL_HTTP);
    assert_int_equal(host->outputs, 7);
    assert_int_equal(eye_protocols_wished, 1U << 31 | 1U << EYE_PROTOCOL_HTTP);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_NOT_LOADED], 4);
}

/* Nobody has read it: the child begins with nothing. */
static void handle_first_payload__without_a_program(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\n\r\n";
    struct bpf_sock listener = {.state = TCP_LISTEN};
    struct __sk_buff skb = {.sk = &listener};
    struct eye_segment segment = segment_of(get);
    (void)state;
    eye_handle_first_payload(&skb, &listener, &segment);
    assert_ptr_equal(host->called, &receivers);
    assert_true(host->first.present);
    assert_false(eye_has_protocol(&host->first.socket.stream));
    assert_int_equal(host->losses[EYE_LOSS_HTTP_NOT_LOADED], 1);
}

/* What another segment left there is not this one's child's. */
static void handle_segment__without_payload_at_a_listener(void **state)
{
    struct bpf_sock sk = {.state = TCP_ESTABLISHED};
    struct __sk_buff skb = {.sk = &sk, .data = 4096, .data_end = 4096};
    (void)state;
    host->first.present = true;
    eye_handle_segment(&skb, 20, EYE_RECEIVED);
    sk.state = TCP_LISTEN;
    eye_handle_segment(&skb, 20, EYE_SENT);
    assert_true(host->first.present);
    eye_handle_segment(&skb, 20, EYE_RECEIVED);
    assert_false(host->first.present);
}

static void read_first(const char *payload)
{
    struct bpf_sock listener = {.state = TCP_LISTEN};
    struct __sk_buff skb = {.sk = &listener};
    const struct eye_passed passed = {.segment = segment_of(payload), .owner = 77, .port = 80};
    memset(&host->first, 0, sizeof(host->first));
    host->first.socket.stream.protocol = EYE_PROTOCOL_HTTP;
    eye_read_first(&skb, &host->first, &passed, false, eye_http_all_steps);
}

static void read_first__waits_for_the_child(void **state)
{
    static const char two[] = "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    (void)state;
    read_first(two);
    assert_int_equal(host->first.socket.stream.protocol, EYE_PROTOCOL_HTTP);
    const struct eye_conversation *conversation = &host->first.conversation;
    assert_int_equal(conversation->client, EYE_CLIENT_PEER);
    assert_int_equal(conversation->owner, 77);
    assert_int_equal(conversation->port, 80);
    assert_int_equal(conversation->queue.trust, EYE_TRUST_FROM_START);
    assert_int_equal(conversation->queue.pushed, 2);
    assert_memory_equal(conversation->queue.first.body + EYE_HTTP_BODY_FIXED, "/a", 2);
    assert_memory_equal(host->first.pipeline.slots[1].body + EYE_HTTP_BODY_FIXED, "/b", 2);
    assert_int_equal(conversation->halves[EYE_RECEIVED].next_sequence, 100 + sizeof(two) - 1);
}

/* What was no protocol's, and what was more than the work allowed, leaves nothing behind. */
static void read_first__forgets_what_it_cannot_follow(void **state)
{
    static char many[14 * (EYE_STEPS_AT_ONCE * EYE_STEPS_ROUNDS + 1) + 1];
    (void)state;
    read_first("GET /a is something else\r\n\r\n");
    assert_int_equal(host->first.socket.stream.protocol, EYE_PROTOCOL_UNKNOWN);
    assert_int_equal(host->first.socket.stream.looks, 1);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_STEPS], 0);
    for (size_t at = 0; at + 14 < sizeof(many); at += 14) {
        memcpy(many + at, "X / HTTP/1.1\n\n", 14);
    }
    read_first(many);
    assert_int_equal(host->first.socket.stream.protocol, EYE_PROTOCOL_UNKNOWN);
    assert_int_equal(host->first.socket.stream.looks, 1);
    assert_int_equal(eye_waiting(&host->first.conversation.queue), 0);
    assert_int_equal(host->losses[EYE_LOSS_HTTP_STEPS], 1);
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
    for (__u32 side = 0; side < 2; side++) {
        struct eye_half *responses = &host->conversation.halves[side];
        host->conversation.client = side == EYE_SENT ? EYE_CLIENT_PEER : EYE_CLIENT_THIS_END;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            responses->next_sequence = cases[i].seen;
            host->tcp.snd_nxt = side == EYE_SENT ? cases[i].there : 0x7fffffff;
            host->tcp.rcv_nxt = side == EYE_SENT ? 0x7fffffff : cases[i].there;
            responses->synced = 1;
            assert_int_equal(eye_missed_bytes(&host->conversation, &host->tcp), cases[i].missed);
            responses->synced = 0; /* where it stands was never known */
            assert_true(eye_missed_bytes(&host->conversation, &host->tcp));
        }
    }
}

/* Of what was dropped as much as came while there was no room; both counts go round. */
static void tell_drops__of_a_full_queue(void **state)
{
    static const struct {
        __u32 drops_before, knocks_before, drops, knocks;
        __u32 dropped, overflowed;
    } cases[] = {
        {0, 0, 0, 0, 0, 0},  {7, 3, 7, 3, 0, 0},
        {7, 3, 12, 8, 5, 5}, /* all of them */
        {7, 3, 12, 5, 5, 2}, /* others as well */
        {7, 3, 9, 8, 2, 2},  /* not all were dropped */
        {7, 3, 7, 8, 0, 0},  {UINT32_MAX, UINT32_MAX - 1, 1, 0, 2, 2},
        {7, 3, 6, 2, 0, 0}, /* told already */
    };
    struct sock *sk = &host->tcp.inet_conn.icsk_inet.sk;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        __u32 dropped, overflowed;
        host->socket.told = EYE_TOLD(cases[i].drops_before, cases[i].knocks_before);
        host->socket.knocks = cases[i].knocks;
        sk->sk_drops.counter = (int)cases[i].drops;
        eye_tell_drops(sk, &host->socket, &dropped, &overflowed);
        assert_int_equal(dropped, cases[i].dropped);
        assert_int_equal(overflowed, cases[i].overflowed);
        assert_int_equal(host->socket.told, EYE_TOLD(cases[i].drops, cases[i].knocks));
    }
}

#define TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parent_of__is_who_runs_the_same_program),
        TEST(introduce_current__again_after_so_many_passes),
        TEST(introduce__again_until_the_ring_took_it),
        TEST(exec__ends_the_program_before),
        TEST(exit__counts_processes),
        TEST(read_environment__takes_what_there_is_room_for),
        TEST(take_first_payload__is_of_the_same_peer),
        TEST(take_first_payload__happens_once),
        TEST(take_first_payload__is_the_childs),
        TEST(adopt_conversation__moves_the_pipeline_when_it_is_used),
        TEST(leave__frees_what_the_socket_held),
        TEST(report__until_the_ring_took_it),
        TEST(tell__a_request_with_the_longest_body),
        TEST(tell__wakes_before_the_ring_is_full),
        TEST(leave__tells_what_is_lost),
        TEST(find_conversation__without_memory_is_counted),
        TEST(find_conversation__begins_after_another_protocol),
        TEST(handle_payload__of_a_protocol_that_is_over),
        TEST(request_error__is_what_ended_the_connection),
        TEST(end_conversation__tells_what_is_lost),
        TEST(end_conversation__of_a_protocol_that_is_off_tells_nothing),
        TEST(count_look__gives_up_behind_the_last_one),
        TEST(recognise__only_what_is_wanted),
        TEST(begin_first_payload__starts_as_the_listener),
        TEST(recognise__looks_when_the_turn_changes),
        TEST(recognise__what_has_no_parser),
        TEST(recognise__what_follows_a_protocol),
        TEST(recognise__the_hello_of_what_goes_on_inside),
        TEST(recognise__behind_a_proxys_line),
        TEST(recognise__what_a_port_tells),
        TEST(recognise__looks_as_far_as_it_says),
        TEST(recognise__nothing_while_all_is_off),
        TEST(followed__until_it_is_switched_off),
        TEST(hand_over__wishes_once),
        TEST(wish__of_a_protocol_that_is_off_is_none),
        TEST(first_payload__is_no_childs_after_a_switch),
        TEST(wish__is_told_until_it_is_heard),
        TEST(handle_first_payload__without_a_program),
        TEST(handle_segment__without_payload_at_a_listener),
        TEST(read_first__waits_for_the_child),
        TEST(read_first__forgets_what_it_cannot_follow),
        TEST(discount_fin__of_a_direction_that_is_closed),
        TEST(missed_bytes__are_more_than_a_fin),
        TEST(tell_drops__of_a_full_queue),
    };
    return cmocka_run_group_tests_name("handlers", tests, NULL, NULL);
}

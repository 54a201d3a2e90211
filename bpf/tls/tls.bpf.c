/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Plaintext inside TLS: probes at the entry and the exits of a library's functions. A call waits
 * with its task until it is over; what it brought is a payload of its session, which the programs
 * of protocols read in the process. Nothing of the process is changed.
 */
#include "bpf/tls/registers.bpf.h"
#include "bpf/tls/session_holder.bpf.h"

#include "bpf/process/owner.bpf.h"
#include "bpf/tls/descriptor.bpf.h"
#include "bpf/tls/hello.bpf.h"
#include "bpf/usm/ends.h"
#include "bpf/usm/looks.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Layouts by number. Written by the collector before the library's probes are attached. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, EYE_TLS_LIBRARIES_MAX);
    __type(key, __u32);
    __type(value, struct eye_tls_layout);
} tls_layouts SEC(".maps");

/* Likewise; of what is counted for each library. Written below, read by the collector. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, EYE_TLS_LIBRARIES_MAX);
    __type(key, __u32);
    __type(value, struct eye_tls_tally);
} tls_tallies SEC(".maps");

/* Bits by enum eye_protocol: those are recognised. Written by the collector. */
__u32 eye_tls_wanted = 0;

/* Sessions whose socket was known so far, by enum eye_tls_means. Read by the collector. */
__u64 eye_tls_joined[EYE_TLS_MEANS] = {0};

static __always_inline struct eye_tls_tally *eye_tls_tally_of(__u32 library)
{
    return bpf_map_lookup_elem(&tls_tallies, &library);
}

static __always_inline __u64 eye_tls_argument(const struct pt_regs *regs, __u64 cookie,
                                              enum eye_tls_argument which)
{
    return eye_register(regs, cookie >> (which * EYE_TLS_REGISTER_BITS) & 31);
}

static __always_inline __u64 eye_tls_frame(const struct pt_regs *regs, __u64 cookie)
{
    return eye_stack_pointer(regs) + (cookie >> EYE_TLS_FRAME_SHIFT & 0xffff);
}

static __always_inline __u32 eye_tls_library(__u64 cookie)
{
    return cookie >> EYE_TLS_LIBRARY_SHIFT & (EYE_TLS_LIBRARIES_MAX - 1);
}

/* Of one call; more is no number of bytes. */
#define EYE_TLS_BYTES_MAX 0x7fffffff

/* ---- A call begins ---- */

/* A gap of unknown length: more than bodies have, whose skipping would go on behind it otherwise.
 * Gaps that follow each other are one: so many bytes would pass for those that were seen before. */
#define EYE_TLS_GAP (1U << 26)

/* A call that takes the place of @old, which may still bring something: nobody will know what. */
static __always_inline void eye_tls_give_up(const struct eye_tls_call *old)
{
    struct eye_tls_key key = old->key;
    struct eye_tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);
    __u32 side = old->side & 1;
    eye_lose(EYE_LOSS_TLS_DEEP, 1);
    if (session && !session->gap[side]) {
        session->position[side] += EYE_TLS_GAP;
        session->gap[side] = 1;
    }
}

/* The place of a new call. One that has ended without passing a probe, by an error, has the same
 * caller as a later one, or is of the same session, which has one call at a time to each side. */
static __always_inline __u32 eye_tls_place_of(struct eye_tls_calls *calls,
                                              const struct eye_tls_call *call)
{
    __u32 free = EYE_TLS_CALLS;
    for (__u32 i = 0; i < EYE_TLS_CALLS; i++) {
        const struct eye_tls_call *old = &calls->items[i];
        if (old->frame == call->frame ||
            (old->frame && old->key.session == call->key.session && old->side == call->side)) {
            return i;
        }
        free = old->frame ? free : i;
    }
    if (free < EYE_TLS_CALLS) {
        return free;
    }
    __u32 turn = calls->turn++ & (EYE_TLS_CALLS - 1);
    eye_pin(turn);
    eye_tls_give_up(&calls->items[turn & (EYE_TLS_CALLS - 1)]);
    return turn;
}

/* A call that is not followed begins: its end is not that of an earlier one with its caller. */
static __always_inline void eye_tls_pass_over(__u64 frame)
{
    struct eye_tls_calls *calls = eye_tls_calls_of_task();
    for (__u32 i = 0; calls && i < EYE_TLS_CALLS; i++) {
        if (calls->items[i].frame == frame) {
            calls->items[i].frame = 0;
        }
    }
}

/* Whether a call counts for its library; then it has. */
static __always_inline __u8 eye_tls_judge(struct eye_tls_calls *calls, __u32 library)
{
    struct eye_tls_tally *tally = calls->judged < EYE_TLS_JUDGED ? eye_tls_tally_of(library) : NULL;
    if (!tally) {
        return 0;
    }
    calls->judged++;
    tally->entries++;
    return 1;
}

/* NULL: there is no memory, which is counted. */
static __always_inline struct eye_tls_calls *eye_tls_make_calls(void)
{
    struct eye_tls_calls *calls = bpf_task_storage_get(&tls_calls, bpf_get_current_task_btf(), 0,
                                                       BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!calls) {
        eye_lose(EYE_LOSS_TLS_STORAGE, 1);
    }
    return calls;
}

/* What the registers tell of it. */
static __always_inline struct eye_tls_call eye_tls_call_of(const struct pt_regs *regs, __u64 cookie)
{
    return (struct eye_tls_call){
        .key.session = eye_tls_argument(regs, cookie, EYE_TLS_SESSION),
        .key.tgid = bpf_get_current_pid_tgid() >> 32,
        .buffer = eye_tls_argument(regs, cookie, EYE_TLS_BUFFER),
        .length = eye_tls_argument(regs, cookie, EYE_TLS_LENGTH),
        .side = cookie & EYE_TLS_COOKIE_WRITES ? EYE_SENT : EYE_RECEIVED,
        .library = eye_tls_library(cookie),
    };
}

SEC("kprobe")
int tls_entry(struct pt_regs *regs)
{
    eye_tls_use_stack_of_task(regs);
    __u64 cookie = bpf_get_attach_cookie(regs);
    if (cookie & EYE_TLS_COOKIE_TYPED &&
        (__u32)eye_tls_argument(regs, cookie, EYE_TLS_TYPE) != EYE_TLS_TYPE_DATA) {
        eye_tls_pass_over(eye_tls_frame(regs, cookie));
        return 0;
    }
    struct eye_tls_calls *calls = eye_tls_make_calls();
    if (!calls) {
        return 0;
    }
    struct eye_tls_call call = eye_tls_call_of(regs, cookie);
    call.frame = eye_tls_frame(regs, cookie);
    call.length = cookie & EYE_TLS_COOKIE_SHORT ? (__u32)call.length : call.length;
    call.written =
        cookie & EYE_TLS_COOKIE_BY_1 ? eye_tls_argument(regs, cookie, EYE_TLS_WRITTEN) : 0;
    call.judged = eye_tls_judge(calls, call.library);
    __u64 place = eye_tls_place_of(calls, &call);
    eye_pin(place);
    calls->items[place & (EYE_TLS_CALLS - 1)] = call;
    return 0;
}

/* ---- Its session ---- */

/* Which end of its connection a session is, and the random of its hello. */
static __always_inline bool eye_tls_read_session(const struct eye_tls_layout *layout, __u64 object,
                                                 struct eye_hello_key *ret_key)
{
    __u32 word = 0;
    __u64 at = object;
    bool read = eye_read_user(&word, sizeof(word), object + layout->server_offset);
    if (layout->random_pointer) {
        read &= eye_read_user(&at, sizeof(at), object + layout->random_pointer);
    }
    read &= eye_read_user(ret_key->random, sizeof(ret_key->random), at + layout->random_offset);
    bool client =
        layout->server_offset ? !(word & layout->server_mask) : word == layout->client_word;
    ret_key->side = client ? EYE_SENT : EYE_RECEIVED;
    return read;
}

/* Whoever uses a session has used its socket, and was introduced then, unless it is older. */
EYE_PART int eye_tls_introduce(void)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct eye_introduced *known = bpf_task_storage_get(&introduced, task->group_leader, 0, 0);
    if (!known || known->owner != eye_owner_of(task)) {
        eye_introduce_tracing();
    }
    return 0;
}

static __always_inline void eye_tls_join_descriptor(struct eye_tls_session *session, int descriptor,
                                                    bool client)
{
    session->stream.port = descriptor < 0 ? 0 : eye_port_behind(descriptor, client);
    session->client = client;
    session->joined = session->stream.port != 0 ? EYE_TLS_BY_DESCRIPTOR : EYE_TLS_UNJOINED;
}

static __always_inline void eye_tls_join_go(struct eye_tls_session *session, __u64 conn)
{
    __u8 client = 0;
    if (eye_read_user(&client, sizeof(client), conn + EYE_GO_CLIENT_AT)) {
        eye_tls_join_descriptor(session, eye_go_descriptor(conn), client != 0);
    } else {
        eye_lose(EYE_LOSS_TLS_UNREADABLE, 1);
    }
}

/* Who is older than this program, or whose hello was not seen or is others', too, may have a
 * descriptor. */
static __always_inline void eye_tls_join_random(struct eye_tls_session *session,
                                                const struct eye_tls_layout *layout, __u64 object)
{
    struct eye_hello_key random = {0};
    if (!eye_tls_read_session(layout, object, &random)) {
        eye_lose(EYE_LOSS_TLS_UNREADABLE, 1);
        return;
    }
    bool client = random.side == EYE_SENT;
    const struct eye_hello *hello = bpf_map_lookup_elem(&hellos, &random);
    session->late = !hello || hello->seen_ns < layout->since_ns;
    if (hello && hello->port) {
        session->stream.port = hello->port;
        session->stream.protocol = hello->protocol;
        session->stream.recognised = hello->protocol != EYE_PROTOCOL_UNKNOWN;
        session->client = client;
        session->joined = EYE_TLS_BY_HELLO;
    } else if (layout->bio_offset) {
        eye_tls_join_descriptor(session, eye_bio_descriptor(object, layout->bio_offset), client);
    }
}

/* What it had said before is in no number, which whose it is may know. */
static __always_inline void eye_tls_tell_late(const struct eye_tls_session *session)
{
    eye_lose(EYE_LOSS_TLS_LATE, 1);
    eye_tls_introduce();
    eye_tell_loss(eye_current_owner(), session->stream.port, session->client, EYE_LOSS_TLS_LATE, 1);
}

/* Keeps a session, unless another thread was first: of Go one may read while the other writes. */
static __always_inline void eye_tls_keep(const struct eye_tls_key *of,
                                         const struct eye_tls_session *session)
{
    struct eye_tls_key key = *of;
    __u32 means = session->joined & (EYE_TLS_MEANS - 1);
    if (bpf_map_update_elem(&tls_sessions, &key, session, BPF_NOEXIST) != 0) {
        if (!bpf_map_lookup_elem(&tls_sessions, &key)) {
            eye_lose(EYE_LOSS_TLS_STORAGE, 1);
        }
    } else if (means == EYE_TLS_UNJOINED) {
        eye_lose(EYE_LOSS_TLS_UNJOINED, 1);
    } else {
        __sync_fetch_and_add(&eye_tls_joined[means], 1);
        if (session->late) {
            eye_tls_tell_late(session);
        }
    }
}

/* Bytes in front of the first ones that are seen of a session which is older: it is not as if
 * nothing stood before them. */
#define EYE_TLS_BEFORE 65536

/* Which socket a session has that is met first: by its handshake (@shakes), or by a call. */
EYE_PART int eye_tls_begin(const struct eye_tls_key *of, __u32 number, bool shakes)
{
    struct eye_tls_session session = {0};
    if (!of) {
        return 0;
    }
    struct eye_tls_key key = *of;
    const struct eye_tls_layout *layout = bpf_map_lookup_elem(&tls_layouts, &number);
    if (layout && layout->join == EYE_TLS_JOIN_GO) {
        session.late = !shakes;
        eye_tls_join_go(&session, key.session);
    } else if (layout) {
        eye_tls_join_random(&session, layout, key.session);
    }
    if (session.late) {
        session.position[EYE_SENT] = EYE_TLS_BEFORE;
        session.position[EYE_RECEIVED] = EYE_TLS_BEFORE;
    }
    eye_tls_keep(&key, &session);
    return 0;
}

/* What the plaintext of a session begins like. */
EYE_PART int eye_tls_look(const struct eye_tls_call *call)
{
    struct eye_glance glance = {0};
    if (!call) {
        return 0;
    }
    glance.payload_bytes = call->bytes;
    __u64 count = eye_bytes_to_look_at(call->bytes);
    if (!eye_read_user(&glance, count, call->buffer)) {
        eye_lose(EYE_LOSS_TLS_UNREADABLE, 1);
        return 0;
    }
    return eye_look_at(&glance, count, eye_tls_wanted);
}

/* ---- It is over ---- */

static __always_inline bool eye_tls_recognise(struct eye_tls_session *session,
                                              const struct eye_tls_call *call)
{
    struct eye_stream *stream = &session->stream;
    if (eye_has_protocol(stream)) {
        return eye_tls_wanted >> (stream->protocol & 31) & 1;
    }
    if (!eye_is_worth_a_look(stream,
                             call->side == EYE_SENT ? EYE_SPOKE_THIS_END : EYE_SPOKE_PEER)) {
        return false;
    }
    stream->spoke = call->side == EYE_SENT ? EYE_SPOKE_THIS_END : EYE_SPOKE_PEER;
    __u32 seen = eye_tls_look(call);
    if (!eye_is_protocol(seen)) {
        eye_count_look(stream);
        return false;
    }
    stream->protocol = seen;
    return true;
}

/* Where the call with that frame stands; EYE_TLS_CALLS: nowhere. */
static __always_inline __u32 eye_tls_find(const struct eye_tls_calls *calls, __u64 frame)
{
    for (__u32 i = 0; i < EYE_TLS_CALLS; i++) {
        if (calls->items[i].frame == frame) {
            return i;
        }
    }
    return EYE_TLS_CALLS;
}

static __always_inline __s64 eye_tls_result(const struct pt_regs *regs, __u64 cookie,
                                            const struct eye_tls_call *call)
{
    __s64 result = (__s64)eye_register(regs, cookie & 31);
    result = cookie & EYE_TLS_COOKIE_HALF ? (__s32)result : result;
    if (!call->written || result != 1) {
        return call->written ? 0 : result;
    }
    __u64 written = 0;
    if (!eye_read_user(&written, sizeof(written), call->written)) {
        eye_lose(EYE_LOSS_TLS_UNREADABLE, 1);
    }
    return (__s64)written;
}

/* A call has brought @bytes: its session, and where in it they stand. NULL: nobody reads them. */
static __always_inline struct eye_tls_session *eye_tls_advance(struct eye_tls_call *ended,
                                                               __u32 bytes)
{
    struct eye_tls_key key = ended->key;
    struct eye_tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);
    if (!session) {
        eye_tls_begin(&key, ended->library, false);
        session = bpf_map_lookup_elem(&tls_sessions, &key);
    }
    if (!session) {
        return NULL;
    }
    __u32 side = ended->side & 1;
    ended->bytes = bytes;
    ended->sequence = session->position[side];
    ended->acknowledged = session->position[side ^ 1];
    session->position[side] += bytes;
    session->gap[EYE_SENT] = 0;
    session->gap[EYE_RECEIVED] = 0;
    return session->joined ? session : NULL;
}

static __always_inline void eye_tls_tell_end(__u32 library, __u8 judged, bool impossible)
{
    struct eye_tls_tally *tally = eye_tls_tally_of(library);
    if (tally) {
        tally->calls++;
        tally->exits += judged;
        tally->impossible += impossible;
    }
}

/* What a call has brought goes to the program of its protocol. */
static __always_inline int eye_tls_hand_over(struct pt_regs *regs, struct eye_tls_call *ended,
                                             __u32 bytes)
{
    struct eye_tls_session *session = eye_tls_advance(ended, bytes);
    /* GnuTLS goes on with what it has kept of an earlier call: that is a gap. */
    if (!session || !ended->buffer || !eye_tls_recognise(session, ended)) {
        return 0;
    }
    ended->owner = eye_current_owner();
    ended->port = session->stream.port;
    if (session->stream.owner != ended->owner) {
        session->stream.owner = ended->owner;
        eye_tls_introduce();
    }
    bpf_tail_call(regs, &insiders, session->stream.protocol);
    return 0;
}

SEC("kprobe")
int tls_exit(struct pt_regs *regs)
{
    __u64 cookie = bpf_get_attach_cookie(regs);
    if (cookie & EYE_TLS_COOKIE_CONDITION &&
        eye_condition(regs, cookie >> EYE_TLS_CONDITION_SHIFT & 15) !=
            !!(cookie & EYE_TLS_COOKIE_TAKEN)) {
        return 0;
    }
    struct eye_tls_calls *calls = eye_tls_calls_of_task();
    __u64 index = calls ? eye_tls_find(calls, eye_tls_frame(regs, cookie)) : EYE_TLS_CALLS;
    if (!calls || index >= EYE_TLS_CALLS) {
        return 0; /* of another function that ends here, too, or whose beginning was not seen */
    }
    eye_pin(index);
    struct eye_tls_call *call = &calls->items[index & (EYE_TLS_CALLS - 1)];
    call->frame = 0;
    __s64 bytes = eye_tls_result(regs, cookie, call);
    bool impossible = bytes > 0 && call->buffer && (__u64)bytes > call->length;
    eye_tls_tell_end(call->library, call->judged, impossible);
    if (impossible || bytes <= 0 || bytes > EYE_TLS_BYTES_MAX) {
        return 0;
    }
    struct eye_tls_call *ended = &calls->ended;
    *ended = *call;
    return eye_tls_hand_over(regs, ended, bytes);
}

/* A call whose plaintext is known where it is met: nobody waits for its end. */
SEC("kprobe")
int tls_at_once(struct pt_regs *regs)
{
    __u64 cookie = bpf_get_attach_cookie(regs);
    if ((cookie & EYE_TLS_COOKIE_GROWS && eye_stack_grows(regs)) ||
        (cookie & EYE_TLS_COOKIE_TYPED &&
         (__u8)eye_tls_argument(regs, cookie, EYE_TLS_TYPE) != EYE_TLS_TYPE_DATA)) {
        return 0;
    }
    struct eye_tls_calls *calls = eye_tls_make_calls();
    if (!calls) {
        return 0;
    }
    struct eye_tls_call *ended = &calls->ended;
    *ended = eye_tls_call_of(regs, cookie);
    if (cookie & EYE_TLS_COOKIE_KEPT &&
        !eye_read_user(&ended->key.session, sizeof(ended->key.session),
                       eye_tls_frame(regs, cookie))) {
        eye_lose(EYE_LOSS_TLS_UNREADABLE, 1);
        return 0;
    }
    eye_tls_tell_end(ended->library, 0, false);
    if (ended->length == 0 || ended->length > EYE_TLS_BYTES_MAX) {
        return 0;
    }
    return eye_tls_hand_over(regs, ended, ended->length);
}

/* What is kept of a session, but that there is one. @error: what became of requests that wait; 0:
 * nobody knows. */
static __always_inline void eye_tls_end_requests(const struct eye_tls_key *of, __u32 error)
{
    struct eye_tls_key key = *of;
    struct eye_conversation *conversation = bpf_map_lookup_elem(&conversations, &key);
    if (!conversation) {
        return;
    }
    __u32 waiting = eye_waiting(&conversation->queue);
    if (waiting > 0 && !error) {
        eye_note_loss(conversation, EYE_LOST_UNANSWERED, waiting);
    } else if (waiting > 0 && eye_is_certain(conversation)) {
        eye_end_requests(conversation, bpf_map_lookup_elem(&pipelines, &key), error);
    }
    struct eye_http2_requests *streams = bpf_map_lookup_elem(&http2_requests, &key);
    if (streams) {
        eye_end_streams(conversation, streams, bpf_map_lookup_elem(&http2_more, &key),
                        bpf_map_lookup_elem(&http2_most, &key), error);
    }
    if (conversation->troubled) {
        eye_report(conversation);
    }
    eye_delete_conversation(&key);
}

SEC("kprobe")
int tls_end(struct pt_regs *regs)
{
    eye_tls_use_stack_of_task(regs);
    __u64 cookie = bpf_get_attach_cookie(regs);
    if (cookie & EYE_TLS_COOKIE_GROWS && eye_stack_grows(regs)) {
        return 0;
    }
    struct eye_tls_key key = {.session = eye_tls_argument(regs, cookie, EYE_TLS_SESSION),
                              .tgid = bpf_get_current_pid_tgid() >> 32};
    struct eye_tls_session *session = bpf_map_lookup_elem(&tls_sessions, &key);
    if (session) {
        eye_tls_end_requests(&key, session->client ? EYE_REQUEST_CANCELLED : EYE_REQUEST_CLOSED);
        bpf_map_delete_elem(&tls_sessions, &key);
    }
    if (cookie & EYE_TLS_COOKIE_BEGINS) {
        eye_tls_begin(&key, eye_tls_library(cookie), true);
    }
    return 0;
}

/* Of a session whose process is gone, which may be some time ago: what waited is counted, and not
 * told. Run by the collector, with the key: its address and its process. */
SEC("raw_tp")
int tls_forget(struct bpf_raw_tracepoint_args *of)
{
    struct eye_tls_key key = {.session = of->args[0], .tgid = of->args[1]};
    eye_tls_end_requests(&key, 0);
    bpf_map_delete_elem(&tls_sessions, &key);
    return 0;
}

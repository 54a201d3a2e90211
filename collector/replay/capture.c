/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/capture.h"

#include <errno.h>
#include <net/ethernet.h>
#include <pcap/pcap.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/text.h"
#include "collector/replay/input.h"
#include "exporters/engine/shared_library.h"

#define LINKS_BYTES 256

/* ---- The library ---- */

#define FUNCTIONS(X)                                                                               \
    X(pcap_close)                                                                                  \
    X(pcap_datalink)                                                                               \
    X(pcap_datalink_val_to_name)                                                                   \
    X(pcap_fopen_offline_with_tstamp_precision)                                                    \
    X(pcap_geterr)                                                                                 \
    X(pcap_next_ex)

struct library {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a name */
#define X(name) __typeof__(&(name)) name;
    FUNCTIONS(X)
#undef X
};

static const struct eye_symbol symbols[] = {
#define X(name) EYE_SYMBOL(name, struct library, name),
    FUNCTIONS(X)
#undef X
};

static struct library library;

/* Debian's name of the file, or everybody else's. */
static int open_library(struct eye_error *ret_error)
{
    static const char *const files[] = {"libpcap.so.0.8", "libpcap.so.1"};
    int result = -ELIBACC;
    for (size_t i = 0; result != 0 && i < EYE_ARRAY_LENGTH(files); i++) {
        struct eye_error error;
        result = eye_shared_library_open(files[i], "libpcap0.8", symbols, EYE_ARRAY_LENGTH(symbols),
                                         &library, &error);
        if (result != 0 && i == 0) {
            *ret_error = error;
        }
    }
    return result;
}

struct eye_capture {
    pcap_t *pcap;
    FILE *file;                    /* libpcap's to close */
    const struct eye_input *input; /* what it reads; NULL: anything */
    const struct eye_link *link;
    uint64_t bytes; /* of the file; 0: not known */
};

/* ---- Link types ---- */

#define VLAN_BYTES 4
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_QINQ_OLD 0x9100

static uint16_t number(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool is_vlan(uint16_t ethertype)
{
    return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_QINQ ||
           ethertype == ETHERTYPE_QINQ_OLD;
}

/* Behind a header of @header bytes whose last ones are @ethertype, tags of VLANs may stand. */
static size_t pass_tags(const uint8_t *bytes, size_t size, size_t header, uint16_t ethertype,
                        uint16_t *ret_ethertype)
{
    while (is_vlan(ethertype)) {
        if (size < header + VLAN_BYTES) {
            return EYE_LINK_CUT;
        }
        ethertype = number(bytes + header + 2);
        header += VLAN_BYTES;
    }
    *ret_ethertype = ethertype;
    return header;
}

#define ETHERNET_BYTES 14

static size_t read_ethernet(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype)
{
    return size < ETHERNET_BYTES
               ? EYE_LINK_CUT
               : pass_tags(bytes, size, ETHERNET_BYTES, number(bytes + 12), ret_ethertype);
}

/* LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 [tcpdump.org/linktypes]. */
#define SLL_BYTES 16
#define SLL2_BYTES 20

static size_t read_sll(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype)
{
    return size < SLL_BYTES ? EYE_LINK_CUT
                            : pass_tags(bytes, size, SLL_BYTES, number(bytes + 14), ret_ethertype);
}

static size_t read_sll2(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype)
{
    return size < SLL2_BYTES ? EYE_LINK_CUT
                             : pass_tags(bytes, size, SLL2_BYTES, number(bytes), ret_ethertype);
}

/* The network's header says which one it is. */
static uint16_t ethertype_of(const uint8_t *bytes, size_t size)
{
    uint8_t version = size > 0 ? bytes[0] >> 4 : 0;
    return version == 4 ? ETHERTYPE_IP : version == 6 ? ETHERTYPE_IPV6 : 0;
}

static size_t read_raw(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype)
{
    *ret_ethertype = ethertype_of(bytes, size);
    return size == 0 ? EYE_LINK_CUT : 0;
}

/* An address family, in the byte order of whoever captured, or the other way round; the numbers of
 * IPv6 differ between systems. */
#define NULL_BYTES 4

static size_t read_null(const uint8_t *bytes, size_t size, uint16_t *ret_ethertype)
{
    if (size <= NULL_BYTES) {
        return EYE_LINK_CUT;
    }
    *ret_ethertype = ethertype_of(bytes + NULL_BYTES, size - NULL_BYTES);
    return NULL_BYTES;
}

static const struct eye_link links[] = {
    {DLT_EN10MB, "EN10MB", read_ethernet},
    {DLT_LINUX_SLL, "LINUX_SLL", read_sll},
    {DLT_LINUX_SLL2, "LINUX_SLL2", read_sll2},
    {DLT_RAW, "RAW", read_raw},
    {DLT_IPV4, "IPV4", read_raw},
    {DLT_IPV6, "IPV6", read_raw},
    {DLT_NULL, "NULL", read_null},
    {DLT_LOOP, "LOOP", read_null},
};

static const struct eye_link *find_link(int type)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(links); i++) {
        if (links[i].type == type) {
            return &links[i];
        }
    }
    return NULL;
}

static int refuse_link(const char *path, int type, struct eye_error *ret_error)
{
    EYE_CLEANUP(eye_text_done) struct eye_text known;
    eye_text_init(&known, LINKS_BYTES);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(links); i++) {
        eye_text_appendf(&known, "%s%s", i == 0 ? "" : ", ", links[i].name);
    }
    const char *name = library.pcap_datalink_val_to_name(type);
    return eye_error_set(ret_error, -EPROTONOSUPPORT,
                         "%s: packets of link type %s (%d) are not read; those of %s are: "
                         "tcpdump -L tells which an interface has, -y takes one",
                         eye_capture_name(path), name == NULL ? "unknown" : name, type,
                         eye_text_string(&known));
}

/* ---- The file ---- */

const char *eye_capture_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

static bool was_stopped(const struct eye_capture *capture)
{
    return capture->input != NULL && eye_input_was_stopped(capture->input);
}

/* Something is in it. */
static int want_bytes(const struct eye_capture *capture, const char *name,
                      struct eye_error *ret_error)
{
    FILE *file = capture->file;
    errno = 0;
    int first = getc(file);
    if (first != EOF) {
        ungetc(first, file);
        return 0;
    }
    if (ferror(file)) {
        return eye_error_set(ret_error, errno == 0 ? -EIO : -errno, "cannot read %s: %s", name,
                             strerror(errno));
    }
    if (was_stopped(capture)) {
        return eye_error_set(ret_error, -EINTR, "a signal came before a byte of %s", name);
    }
    return eye_error_set(ret_error, -ENODATA,
                         "%s is empty: what should have written a capture (tcpdump -w) says why",
                         name);
}

/* The program that unpacks what the file holds, as far as can be told; NULL: it is not packed. */
static const char *unpacker_of(const struct eye_capture *capture)
{
    static const struct {
        uint8_t magic[EYE_INPUT_BEGINNING_BYTES];
        size_t bytes;
        const char *program;
    } packers[] = {
        {{0x1f, 0x8b}, 2, "gzip"},
        {{0x28, 0xb5, 0x2f, 0xfd}, 4, "zstd"},
        {{0xfd, '7', 'z', 'X'}, 4, "xz"},
        {{'B', 'Z', 'h'}, 3, "bzip2"},
    };
    const struct eye_input *input = capture->input;
    for (size_t i = 0; input != NULL && i < EYE_ARRAY_LENGTH(packers); i++) {
        if (memcmp(eye_input_beginning(input), packers[i].magic, packers[i].bytes) == 0) {
            return packers[i].program;
        }
    }
    return NULL;
}

#define WHY_CUT                                                                                    \
    "it was copied before it was whole, or its writer was killed: end tcpdump by SIGINT, or let "  \
    "it write each packet at once (-U)"

static int refuse_file(const struct eye_capture *capture, const char *path, const char *problem,
                       struct eye_error *ret_error)
{
    const char *name = eye_capture_name(path);
    const char *unpacker = unpacker_of(capture);
    if (unpacker != NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "%s is packed: %s -dc %s | sockeye replay - reads it", name, unpacker,
                             strcmp(path, "-") == 0 ? "FILE" : path);
    }
    if (feof(capture->file)) {
        return eye_error_set(ret_error, -EINVAL, "%s ends within its header (%s); " WHY_CUT, name,
                             problem);
    }
    return eye_error_set(ret_error, -EINVAL,
                         "%s is no capture (pcap or pcapng): %s; tcpdump -w FILE writes one", name,
                         problem);
}

static int start(struct eye_capture *capture, const char *path, struct eye_error *ret_error)
{
    char problem[PCAP_ERRBUF_SIZE] = "";
    int result = open_library(ret_error);
    if (result == 0) {
        result = want_bytes(capture, eye_capture_name(path), ret_error);
    }
    if (result != 0) {
        return result;
    }
    capture->pcap = library.pcap_fopen_offline_with_tstamp_precision(
        capture->file, PCAP_TSTAMP_PRECISION_NANO, problem);
    if (capture->pcap == NULL) {
        return refuse_file(capture, path, problem, ret_error);
    }
    int type = library.pcap_datalink(capture->pcap);
    capture->link = find_link(type);
    return capture->link == NULL ? refuse_link(path, type, ret_error) : 0;
}

/* Of @file, which is closed in any case. */
static int make_capture(FILE *file, const struct eye_input *input, const char *path,
                        struct eye_capture **ret_capture, struct eye_error *ret_error)
{
    struct eye_capture *capture = calloc(1, sizeof(*capture));
    if (capture == NULL) {
        fclose(file);
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    capture->file = file;
    capture->input = input;
    capture->bytes = input == NULL ? 0 : eye_input_size(input);
    int result = start(capture, path, ret_error);
    if (result != 0) {
        eye_capture_close(capture);
        return result;
    }
    *ret_capture = capture;
    return 0;
}

int eye_capture_open(const char *path, int stop_fd, struct eye_capture **ret_capture,
                     struct eye_error *ret_error)
{
    const struct eye_input *input;
    FILE *file = eye_input_open(path, stop_fd, &input);
    if (file == NULL) {
        return eye_error_set(ret_error, -errno, "cannot open %s: %s", eye_capture_name(path),
                             strerror(errno));
    }
    return make_capture(file, input, path, ret_capture, ret_error);
}

int eye_capture_read(FILE *file, const char *path, struct eye_capture **ret_capture,
                     struct eye_error *ret_error)
{
    return make_capture(file, NULL, path, ret_capture, ret_error);
}

void eye_capture_close(struct eye_capture *capture)
{
    if (capture == NULL) {
        return;
    }
    if (capture->pcap != NULL) {
        library.pcap_close(capture->pcap); /* and its file */
    } else {
        fclose(capture->file);
    }
    free(capture);
}

const struct eye_link *eye_capture_link(const struct eye_capture *capture)
{
    return capture->link;
}

double eye_capture_progress(const struct eye_capture *capture)
{
    return capture->bytes == 0
               ? -1
               : (double)eye_input_position(capture->input) / (double)capture->bytes;
}

/* A damaged file may have any time in it. */
static uint64_t time_of(const struct pcap_pkthdr *header)
{
    bool valid = header->ts.tv_sec >= 0 && header->ts.tv_usec >= 0 &&
                 (uint64_t)header->ts.tv_usec < EYE_NS_PER_SECOND &&
                 (uint64_t)header->ts.tv_sec < UINT64_MAX / EYE_NS_PER_SECOND / 2;
    return valid ? (uint64_t)header->ts.tv_sec * EYE_NS_PER_SECOND + (uint64_t)header->ts.tv_usec
                 : 0;
}

/* Why there is no next packet, and what to do. */
static int stop(const struct eye_capture *capture, struct eye_error *ret_error)
{
    const char *problem = library.pcap_geterr(capture->pcap);
    if (was_stopped(capture)) {
        return eye_error_set(ret_error, -EINTR, "a signal ended the reading");
    }
    if (feof(capture->file)) {
        return eye_error_set(ret_error, -EIO, "it ends within the next one (%s); " WHY_CUT,
                             problem);
    }
    /* libpcap has one link type for all of a file, and no other word for this. */
    if (strstr(problem, "type of the first interface") != NULL) {
        return eye_error_set(ret_error, -EIO,
                             "%s; capture each of such interfaces into a file of its own, or all "
                             "by tcpdump -i any",
                             problem);
    }
    return eye_error_set(ret_error, -EIO, "%s; %s", problem,
                         ferror(capture->file) ? "what is read before is told"
                                               : "what stands there is damaged: capture again, or "
                                                 "copy the file again from where it is whole");
}

int eye_capture_next(struct eye_capture *capture, struct eye_frame *ret_frame,
                     struct eye_error *ret_error)
{
    struct pcap_pkthdr *header;
    const u_char *bytes;
    int got = library.pcap_next_ex(capture->pcap, &header, &bytes);
    if (got == PCAP_ERROR_BREAK && !was_stopped(capture)) {
        return 0;
    }
    if (got != 1) {
        return stop(capture, ret_error);
    }
    *ret_frame = (struct eye_frame){
        .time_ns = time_of(header),
        .bytes = bytes,
        .captured = header->caplen,
        .size = header->len > header->caplen ? header->len : header->caplen,
    };
    return 1;
}

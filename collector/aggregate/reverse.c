/* SPDX-License-Identifier: Apache-2.0 */
/* A table of addresses for each source, and one of names, which several addresses may share. */
#include "collector/aggregate/reverse.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/file.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/base/text.h"

#define HOSTS_FILE "etc/hosts"

#define BLANKS " \t\r\v\f"

/* Of hashes of addresses: of some ten thousand one in five is taken for another one, which costs a
 * counting pass. */
#define ASKED_BITS 65536

struct name {
    uint64_t id;
    uint64_t hash;
    size_t users; /* addresses */
    char text[];
};

struct entry {
    uint8_t address[EYE_PREFIX_ADDRESS_BYTES];
    struct name *name;
    uint64_t ends_ns; /* learned ones: its TTL is over */
    uint64_t used_ns; /* and this is when it was asked for last, by refreshes */
    TAILQ_ENTRY(entry) link;
};

TAILQ_HEAD(entry_queue, entry);

/* Addresses of one source, in the order in which they were told. */
struct book {
    struct eye_table table;
    struct entry_queue queue;
    size_t max;
    uint64_t outcomes[EYE_REVERSE_OUTCOME_COUNT];
};

struct eye_reverse {
    int root; /* descriptor; -1: there is none */
    struct eye_file_stamp stamp;
    struct book books[EYE_REVERSE_SOURCE_COUNT];
    struct eye_table names;
    uint64_t last_id;
    uint64_t changes;
    uint64_t now_ns;                 /* of the last refresh */
    uint64_t asked[ASKED_BITS / 64]; /* by hash: somebody asked for the address in this pass */
};

const char *eye_reverse_source_name(enum eye_reverse_source source)
{
    static const char *const names[] = {
        [EYE_REVERSE_HOSTS] = "hosts", [EYE_REVERSE_LEARNED] = "dns"};
    return names[source];
}

const char *eye_reverse_outcome_name(enum eye_reverse_outcome outcome)
{
    static const char *const names[] = {
#define X(identifier, name) name,
        EYE_REVERSE_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

/* ---- names ---- */

static bool has_text(const void *item, const void *text)
{
    return strcmp(((const struct name *)item)->text, text) == 0;
}

static struct name *new_name(struct eye_reverse *reverse, const char *text, uint64_t hash)
{
    size_t size = strlen(text) + 1;
    struct name *name = malloc(sizeof(*name) + size);
    if (name == NULL || eye_table_insert(&reverse->names, hash, name) != 0) {
        free(name);
        return NULL;
    }
    *name = (struct name){.id = ++reverse->last_id, .hash = hash};
    memcpy(name->text, text, size);
    return name;
}

/* One more address has it; NULL when out of memory. */
static struct name *use_name(struct eye_reverse *reverse, const char *text)
{
    uint64_t hash = eye_hash_bytes(text, strlen(text));
    struct name *name = eye_table_find(&reverse->names, hash, has_text, text);
    name = name == NULL ? new_name(reverse, text, hash) : name;
    if (name != NULL) {
        name->users++;
    }
    return name;
}

static void leave_name(struct eye_reverse *reverse, struct name *name)
{
    if (--name->users == 0) {
        eye_table_remove(&reverse->names, name->hash, name);
        free(name);
    }
}

/* Words that mean something else where a name is expected. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"loopback", "link-local", "private", "public",
                                           "__other__"};
    bool found = false;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(reserved); i++) {
        found |= strcmp(name, reserved[i]) == 0;
    }
    return found;
}

/* As DNS compares names: in small letters, whatever 0x20 bits a resolver plays with, and without
 * the root's dot. False: nothing is left. */
static bool copy_name(char ret_name[static EYE_REVERSE_NAME_BYTES], const char *bytes,
                      size_t length)
{
    if (length > 0 && bytes[length - 1] == '.') {
        length--;
    }
    /* Room for the mark of a reserved one. */
    eye_copy_clean(ret_name, EYE_REVERSE_NAME_BYTES - 1, bytes, length);
    for (char *at = ret_name; *at != '\0'; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    }
    if (is_reserved(ret_name)) {
        memcpy(ret_name + strlen(ret_name), "_", sizeof("_"));
    }
    return ret_name[0] != '\0';
}

/* ---- addresses ---- */

static uint64_t hash_of(const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    return eye_hash_bytes(address, EYE_PREFIX_ADDRESS_BYTES);
}

static uint64_t *asked_word(struct eye_reverse *reverse, uint64_t hash)
{
    return &reverse->asked[hash % ASKED_BITS / 64];
}

static void note_asked(struct eye_reverse *reverse, uint64_t hash)
{
    *asked_word(reverse, hash) |= 1ULL << hash % 64;
}

/* The address of @hash may be called otherwise from now on. */
static void note_change(struct eye_reverse *reverse, uint64_t hash)
{
    reverse->changes += *asked_word(reverse, hash) >> hash % 64 & 1;
}

static bool has_address(const void *item, const void *address)
{
    return memcmp(((const struct entry *)item)->address, address, EYE_PREFIX_ADDRESS_BYTES) == 0;
}

static struct entry *find_entry(const struct book *book,
                                const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    return book->table.count == 0
               ? NULL
               : eye_table_find(&book->table, hash_of(address), has_address, address);
}

static void drop(struct eye_reverse *reverse, struct book *book, struct entry *entry)
{
    uint64_t hash = hash_of(entry->address);
    eye_table_remove(&book->table, hash, entry);
    TAILQ_REMOVE(&book->queue, entry, link);
    leave_name(reverse, entry->name);
    free(entry);
    note_change(reverse, hash);
}

static void drop_all(struct eye_reverse *reverse, struct book *book)
{
    struct entry *entry;
    while ((entry = TAILQ_FIRST(&book->queue)) != NULL) {
        drop(reverse, book, entry);
    }
}

/* NULL when out of memory. */
static struct entry *add(struct eye_reverse *reverse, struct book *book,
                         const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES], const char *name)
{
    uint64_t hash = hash_of(address);
    struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL || eye_table_insert(&book->table, hash, entry) != 0) {
        free(entry);
        return NULL;
    }
    memcpy(entry->address, address, sizeof(entry->address));
    TAILQ_INSERT_TAIL(&book->queue, entry, link);
    entry->name = use_name(reverse, name);
    if (entry->name == NULL) {
        eye_table_remove(&book->table, hash, entry);
        TAILQ_REMOVE(&book->queue, entry, link);
        free(entry);
        return NULL;
    }
    note_change(reverse, hash);
    return entry;
}

/* ---- what is learned ---- */

static bool is_over(const struct entry *entry, uint64_t now_ns)
{
    return now_ns >= entry->ends_ns;
}

/* The entry that @name is to be told by; NULL: another one is valid, or out of memory. */
static struct entry *entry_for(struct eye_reverse *reverse, struct book *book,
                               const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                               const char *name, uint64_t now_ns)
{
    struct entry *entry = find_entry(book, address);
    bool same = entry != NULL && strcmp(entry->name->text, name) == 0;
    if (entry != NULL && (same || !is_over(entry, now_ns))) {
        return same ? entry : NULL;
    }
    if (entry != NULL) {
        drop(reverse, book, entry);
    } else if (book->table.count >= book->max) {
        book->outcomes[EYE_REVERSE_NO_ROOM]++;
        drop(reverse, book, TAILQ_FIRST(&book->queue));
    }
    entry = add(reverse, book, address, name);
    book->outcomes[entry == NULL ? EYE_REVERSE_FAILED : EYE_REVERSE_TAKEN]++;
    return entry;
}

/* Loopback, and no address at all, which Linux takes for loopback as well. */
static bool is_local(const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES])
{
    static const uint8_t zeros[EYE_PREFIX_ADDRESS_BYTES - 1];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return (memcmp(address, mapped, sizeof(mapped)) == 0 &&
            (address[12] == 127 || address[12] == 0)) ||
           (memcmp(address, zeros, sizeof(zeros)) == 0 && address[15] <= 1);
}

void eye_reverse_learn(struct eye_reverse *reverse,
                       const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES], const char *name,
                       size_t length, uint64_t ttl_ns, uint64_t now_ns)
{
    struct book *book = &reverse->books[EYE_REVERSE_LEARNED];
    char clean[EYE_REVERSE_NAME_BYTES];
    bool named = copy_name(clean, name, length);
    if (!named || is_local(address)) {
        book->outcomes[named ? EYE_REVERSE_LOCAL : EYE_REVERSE_MALFORMED]++;
        return;
    }
    struct entry *entry = entry_for(reverse, book, address, clean, now_ns);
    if (entry != NULL) {
        uint64_t capped_ns = ttl_ns < EYE_REVERSE_TTL_MAX_NS ? ttl_ns : EYE_REVERSE_TTL_MAX_NS;
        entry->ends_ns = now_ns + capped_ns;
        entry->used_ns = now_ns;
        TAILQ_REMOVE(&book->queue, entry, link);
        TAILQ_INSERT_TAIL(&book->queue, entry, link);
    }
}

static void forget_old(struct eye_reverse *reverse)
{
    struct book *book = &reverse->books[EYE_REVERSE_LEARNED];
    struct entry *next;
    for (struct entry *entry = TAILQ_FIRST(&book->queue); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, link);
        if (is_over(entry, reverse->now_ns) &&
            reverse->now_ns >= entry->used_ns + EYE_REVERSE_KEEP_NS) {
            drop(reverse, book, entry);
        }
    }
}

/* ---- /etc/hosts: hosts(5) ---- */

static bool parse_address(char *text, struct eye_prefix *ret_address)
{
    text[strcspn(text, "%")] = '\0'; /* fe80::1%eth0 */
    return strchr(text, '/') == NULL && eye_prefix_parse(text, ret_address) == 0;
}

/* The first name of a line is the host's, the others are aliases. */
static enum eye_reverse_outcome take_names(struct eye_reverse *reverse, char *line)
{
    struct book *book = &reverse->books[EYE_REVERSE_HOSTS];
    struct eye_prefix address;
    char name[EYE_REVERSE_NAME_BYTES];
    char *rest = line;
    const char *first = strsep(&rest, BLANKS);
    if (rest == NULL || !parse_address(line, &address)) {
        return EYE_REVERSE_MALFORMED;
    }
    assert(first == line);
    rest += strspn(rest, BLANKS);
    if (!copy_name(name, rest, strcspn(rest, BLANKS))) {
        return EYE_REVERSE_MALFORMED;
    }
    if (find_entry(book, address.address) != NULL) {
        return EYE_REVERSE_TAKEN; /* by the first line that has the address, as resolvers do */
    }
    if (book->table.count >= book->max) {
        return EYE_REVERSE_NO_ROOM;
    }
    return add(reverse, book, address.address, name) == NULL ? EYE_REVERSE_FAILED
                                                             : EYE_REVERSE_TAKEN;
}

static void take_line(struct eye_reverse *reverse, char *line)
{
    line[strcspn(line, "#")] = '\0';
    line = eye_trim(line, BLANKS);
    if (line[0] != '\0') {
        reverse->books[EYE_REVERSE_HOSTS].outcomes[take_names(reverse, line)]++;
    }
}

/* @bytes: @length of them, and room for a NUL. */
static void take_lines(struct eye_reverse *reverse, char *bytes, size_t length)
{
    char *end = bytes + length;
    while (bytes < end) {
        char *line_end = memchr(bytes, '\n', (size_t)(end - bytes));
        line_end = line_end == NULL ? end : line_end;
        *line_end = '\0';
        take_line(reverse, bytes);
        bytes = line_end + 1;
    }
}

/* What is read replaces what was known. Not there: nobody has a name; not readable: all as before.
 */
static int read_hosts(struct eye_reverse *reverse)
{
    EYE_AUTOFREE char *bytes = NULL;
    size_t length = 0;
    struct stat status;
    EYE_AUTOCLOSE int fd = eye_file_open_below(reverse->root, HOSTS_FILE, O_RDONLY);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        reverse->stamp = (struct eye_file_stamp){0};
        drop_all(reverse, &reverse->books[EYE_REVERSE_HOSTS]);
        return 0;
    }
    if (fd < 0) {
        return fd;
    }
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    if (!eye_file_stamp_set(&reverse->stamp, &status)) {
        return 0;
    }
    int result = eye_file_load(fd, EYE_REVERSE_FILE_BYTES, &bytes, &length);
    if (result == 0) {
        drop_all(reverse, &reverse->books[EYE_REVERSE_HOSTS]);
        take_lines(reverse, bytes, length);
    }
    return result;
}

void eye_reverse_refresh(struct eye_reverse *reverse, uint64_t now_ns)
{
    reverse->now_ns = now_ns;
    int result = read_hosts(reverse);
    if (result != 0) {
        reverse->books[EYE_REVERSE_HOSTS]
            .outcomes[result == -EFBIG ? EYE_REVERSE_TOO_LARGE : EYE_REVERSE_FAILED]++;
    }
    forget_old(reverse);
}

/* ---- all of it ---- */

struct eye_reverse *eye_reverse_new(const char *root)
{
    static const size_t most[] = {[EYE_REVERSE_HOSTS] = EYE_REVERSE_HOSTS_MAX,
                                  [EYE_REVERSE_LEARNED] = EYE_REVERSE_LEARNED_MAX};
    struct eye_reverse *reverse = calloc(1, sizeof(*reverse));
    if (reverse == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < EYE_REVERSE_SOURCE_COUNT; i++) {
        TAILQ_INIT(&reverse->books[i].queue);
        reverse->books[i].max = most[i];
    }
    reverse->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return reverse;
}

void eye_reverse_free(struct eye_reverse *reverse)
{
    if (reverse == NULL) {
        return;
    }
    for (size_t i = 0; i < EYE_REVERSE_SOURCE_COUNT; i++) {
        drop_all(reverse, &reverse->books[i]);
        eye_table_done(&reverse->books[i].table);
    }
    eye_table_done(&reverse->names);
    if (reverse->root >= 0) {
        close(reverse->root);
    }
    free(reverse);
}

bool eye_reverse_find(struct eye_reverse *reverse,
                      const uint8_t address[static EYE_PREFIX_ADDRESS_BYTES],
                      struct eye_reverse_name *ret_name)
{
    struct entry *entry = NULL;
    note_asked(reverse, hash_of(address));
    for (size_t i = 0; entry == NULL && i < EYE_REVERSE_SOURCE_COUNT; i++) {
        entry = find_entry(&reverse->books[i], address);
    }
    if (entry == NULL) {
        return false;
    }
    entry->used_ns = entry->used_ns > reverse->now_ns ? entry->used_ns : reverse->now_ns;
    *ret_name = (struct eye_reverse_name){entry->name->id, entry->name->text};
    return true;
}

uint64_t eye_reverse_changes(const struct eye_reverse *reverse)
{
    return reverse->changes;
}

void eye_reverse_begin_pass(struct eye_reverse *reverse)
{
    memset(reverse->asked, 0, sizeof(reverse->asked));
}

uint64_t eye_reverse_count(const struct eye_reverse *reverse, enum eye_reverse_source source,
                           enum eye_reverse_outcome outcome)
{
    return reverse->books[source].outcomes[outcome];
}

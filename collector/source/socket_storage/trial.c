/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the programs of the object one by one and keeps what the verifier said. */
#include "collector/source/socket_storage/trial.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/text.h"
#include "collector/source/verifier_log.h"

#include "bpf/socket_storage.skel.h"

/* Statistics and the refusal's cause, without the trace of every instruction (Linux 5.2). */
#define LOG_LEVEL_STATISTICS 4
/* The result is a few lines, but the verifier takes back only at the end of each path what it noted
 * on the way, and fails with ENOSPC when that does not fit. Only what is written takes memory. */
#define LOG_BYTES (8U << 20)

/* What libbpf warned of first since it was cleared: the cause where the verifier has none. */
static char first_warning[sizeof(((struct eye_program_trial *)NULL)->reason)];

__attribute__((format(printf, 2, 0))) static int keep_warning(enum libbpf_print_level level,
                                                              const char *format, va_list arguments)
{
    if (level == LIBBPF_WARN && first_warning[0] == '\0') {
        vsnprintf(first_warning, sizeof(first_warning), format, arguments);
        first_warning[strcspn(first_warning, "\n")] = '\0';
    }
    return 0;
}

static void read_log(char *log, struct eye_program_trial *trial)
{
    const char *words = eye_verifier_log_read(log, &trial->instructions);
    if (!trial->loads) {
        eye_copy_string(trial->reason, sizeof(trial->reason),
                        words[0] != '\0'           ? words
                        : first_warning[0] != '\0' ? first_warning
                                                   : "it cannot be loaded");
    }
}

/* A program and the object that holds it. */
struct subject {
    struct socket_storage *own; /* NULL: it is another's */
    struct bpf_object *object;
    struct bpf_program *program;
};

static int open_subject(struct eye_features *features, enum eye_program program,
                        struct subject *ret_subject)
{
    enum eye_protocol protocol = eye_program_protocol(program);
    *ret_subject = (struct subject){0};
    if (protocol != EYE_PROTOCOL_UNKNOWN) {
        ret_subject->object = eye_protocol_open(protocol);
    } else if (eye_programs[program].ability == EYE_ABILITY_ROWS) {
        ret_subject->object = eye_rows_open();
    } else if ((ret_subject->own = eye_programs_open(features)) != NULL) {
        ret_subject->object = ret_subject->own->obj;
    }
    if (ret_subject->object == NULL) {
        return -errno;
    }
    ret_subject->program =
        bpf_object__find_program_by_name(ret_subject->object, eye_programs[program].name);
    return 0;
}

static void close_subject(struct subject *subject)
{
    if (subject->own != NULL) {
        socket_storage__destroy(subject->own);
    } else {
        bpf_object__close(subject->object);
    }
}

static int load_alone(const struct subject *subject, char *log)
{
    struct bpf_program *each;
    bpf_object__for_each_program(each, subject->object)
    {
        bpf_program__set_autoload(each, each == subject->program);
    }
    bpf_program__set_log_level(subject->program, LOG_LEVEL_STATISTICS);
    bpf_program__set_log_buf(subject->program, log, LOG_BYTES);
    return bpf_object__load(subject->object);
}

/* An iterator does nothing before it is run. */
static int make_iterator(const struct bpf_link *link)
{
    EYE_AUTOCLOSE int fd = bpf_iter_create(bpf_link__fd(link));
    return fd < 0 ? errno : 0;
}

static void attach_alone(const struct bpf_object *object, enum eye_program program, int place,
                         struct eye_program_trial *trial)
{
    struct bpf_link *link = eye_program_attach(object, program, place);
    trial->error = link == NULL                                   ? errno
                   : eye_program_way(program) >= EYE_WAY_ITERATES ? make_iterator(link)
                                                                  : 0;
    trial->attaches = trial->error == 0;
    bpf_link__destroy(link);
}

/* Its maps are of the trial and empty. */
static void run_alone(const struct subject *subject, struct eye_program_trial *trial)
{
    LIBBPF_OPTS(bpf_test_run_opts, options);
    trial->error = -bpf_prog_test_run_opts(bpf_program__fd(subject->program), &options);
    trial->attaches = trial->error == 0;
}

static void try_program(struct eye_features *features, enum eye_program program, int place,
                        char *log, struct eye_program_trial *ret_trial)
{
    log[0] = '\0';
    first_warning[0] = '\0';
    struct subject subject;
    int result = open_subject(features, program, &subject);
    if (result == 0) {
        result = load_alone(&subject, log);
    }
    *ret_trial = (struct eye_program_trial){.used = true, .loads = result == 0, .error = -result};
    read_log(log, ret_trial);
    if (eye_program_protocol(program) != EYE_PROTOCOL_UNKNOWN) {
        ret_trial->attaches = ret_trial->loads; /* by others, as a call */
    } else if (ret_trial->loads && eye_program_way(program) == EYE_WAY_RUN) {
        run_alone(&subject, ret_trial);
    } else if (ret_trial->loads) {
        attach_alone(subject.object, program, place, ret_trial);
    }
    close_subject(&subject);
}

void eye_programs_try(struct eye_features *features,
                      struct eye_program_trial ret_trials[EYE_PROGRAM_COUNT])
{
    EYE_AUTOFREE char *log = calloc(1, LOG_BYTES);
    EYE_AUTOCLOSE int place = eye_programs_payload->open(features, NULL);
    libbpf_print_fn_t printer = libbpf_set_print(keep_warning);
    for (size_t i = 0; i < EYE_PROGRAM_COUNT; i++) {
        bool used = eye_program_is_used((enum eye_program)i, eye_programs_look(features));
        ret_trials[i] = (struct eye_program_trial){.used = used, .error = ENOMEM};
        if (log != NULL && used) {
            try_program(features, (enum eye_program)i, place, log, &ret_trials[i]);
        }
    }
    libbpf_set_print(printer);
}

int eye_programs_check(const struct eye_program_trial trials[EYE_PROGRAM_COUNT],
                       enum eye_ability ability, struct eye_error *ret_error)
{
    for (size_t i = 0; i < EYE_PROGRAM_COUNT; i++) {
        enum eye_program program = (enum eye_program)i;
        if (eye_programs[program].ability == ability && trials[i].used && !trials[i].attaches) {
            return eye_program_refused(program, trials[i].error,
                                       trials[i].loads ? NULL : trials[i].reason, ret_error);
        }
    }
    return 0;
}

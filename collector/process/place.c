/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a path apart, element by element, from the root on: what is found later is further in.
 *
 * Sources: systemd.unit(5) and cg_escape(); of containers what runc, crun, CRI-O, podman, LXC,
 * systemd-nspawn, the kubelet and the ECS agent make, with the cgroupfs and the systemd driver.
 */
#include "collector/process/place.h"

#include "collector/base/base.h"
#include "collector/base/text.h"

/* Docker, containerd, CRI-O, podman. */
#define ID_DIGITS 64

/* An ECS task: 32 digits, "-" and the container's number in it. */
#define TASK_DIGITS 32

/* Of an uid of a pod: with and without its four "-". */
#define UID_LEAST 32
#define UID_MOST 36

/* An element of the path and those beside it. */
struct step {
    struct eye_span before;
    struct eye_span element;
    struct eye_span after;
};

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

static bool is_hex(char character)
{
    return is_digit(character) || (character >= 'a' && character <= 'f') ||
           (character >= 'A' && character <= 'F');
}

static size_t hex_run(struct eye_span text)
{
    size_t length = 0;
    while (length < text.length && is_hex(text.start[length])) {
        length++;
    }
    return length;
}

static bool starts_with_any(struct eye_span text, const char *const *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (eye_span_starts_with(text, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* ---- units ---- */

/* user@1000.service is a whole user session. @unit is without its suffix. */
static bool is_user_manager(struct eye_span unit)
{
    if (!eye_span_starts_with(unit, "user@")) {
        return false;
    }
    unit = eye_span_skip(unit, strlen("user@"));
    while (unit.length > 0 && is_digit(unit.start[0])) {
        unit = eye_span_skip(unit, 1);
    }
    return unit.length == 0;
}

/* Where a container lies below one of these, it is the runtime's unit and not the container's;
 * another one (a quadlet's, say) is what people know the container by. */
static bool is_runtime_unit(struct eye_span unit)
{
    static const char *const names[] = {
        "containerd",
        "docker",
        "dockerd",
        "cri-docker",
        "crio",
        "cri-o",
        "kubelet",
        "k3s",
        "k3s-agent",
        "rke2-server",
        "rke2-agent",
        "k0scontroller",
        "k0sworker",
        "podman",
        "lxc",
        "lxd",
        "incus",
        "garden",
        "snap.docker.dockerd",
        "ecs",
        "snap.microk8s.daemon-containerd",
        "buildkit",
        "snap.microk8s.daemon-kubelite",
        "snap.lxd.daemon",
    };
    static const char *const templates[] = {"lxc@", "systemd-nspawn@"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        if (eye_span_is(unit, names[i])) {
            return true;
        }
    }
    return starts_with_any(unit, templates, EYE_ARRAY_LENGTH(templates));
}

/* ---- containers ---- */

/* What watches a container, in a cgroup with the same id. */
static bool is_monitor(struct eye_span element)
{
    static const char *const prefixes[] = {"crio-conmon-", "libpod-conmon-", "lxc.monitor."};
    return starts_with_any(element, prefixes, EYE_ARRAY_LENGTH(prefixes));
}

/* The last run of exactly ID_DIGITS, whatever stands around it. */
static struct eye_span read_id(const struct step *step)
{
    struct eye_span rest = step->element;
    struct eye_span id = {0};
    while (rest.length > 0) {
        size_t length = hex_run(rest);
        if (length == ID_DIGITS) {
            id = (struct eye_span){rest.start, length};
        }
        rest = eye_span_skip(rest, length > 0 ? length : 1);
    }
    return id;
}

/* "TASK-NUMBER", perhaps as "docker-TASK-NUMBER.scope". */
static struct eye_span read_task(const struct step *step)
{
    struct eye_span id = step->element;
    eye_span_cut_suffix(&id, ".scope");
    if (eye_span_starts_with(id, "docker-")) {
        id = eye_span_skip(id, strlen("docker-"));
    }
    size_t digits = TASK_DIGITS + 1;
    if (hex_run(id) != TASK_DIGITS || id.length <= digits || id.start[TASK_DIGITS] != '-') {
        return (struct eye_span){0};
    }
    while (digits < id.length && is_digit(id.start[digits])) {
        digits++;
    }
    return digits == id.length ? id : (struct eye_span){0};
}

/* Groups of hexadecimal digits with "-" between them, and nothing else. */
static bool has_groups(struct eye_span text, const size_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool joined = i == 0 || (text.length > 0 && text.start[0] == '-');
        text = joined && i > 0 ? eye_span_skip(text, 1) : text;
        if (!joined || hex_run(text) != groups[i]) {
            return false;
        }
        text = eye_span_skip(text, groups[i]);
    }
    return text.length == 0;
}

/* A whole UUID, or Garden's, whose last group is short. */
static struct eye_span read_uuid(const struct step *step)
{
    static const size_t whole[] = {8, 4, 4, 4, 12};
    static const size_t garden[] = {8, 4, 4, 4, 4};
    bool is_uuid = has_groups(step->element, whole, EYE_ARRAY_LENGTH(whole)) ||
                   has_groups(step->element, garden, EYE_ARRAY_LENGTH(garden));
    return is_uuid ? step->element : (struct eye_span){0};
}

static struct eye_span read_lxc(const struct step *step)
{
    static const char prefix[] = "lxc.payload.";
    if (eye_span_starts_with(step->element, prefix)) {
        return eye_span_skip(step->element, strlen(prefix));
    }
    return eye_span_is(step->before, "lxc") ? step->element : (struct eye_span){0};
}

/* "PREFIXnameSUFFIX" of systemd-machined, and not what supervises it. */
static struct eye_span read_machine(const struct step *step)
{
    static const struct {
        const char *prefix, *suffix;
    } forms[] = {{"systemd-nspawn@", ".service"}, {"machine-", ".scope"}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(forms); i++) {
        struct eye_span name = step->element;
        if (eye_span_starts_with(name, forms[i].prefix) &&
            eye_span_cut_suffix(&name, forms[i].suffix)) {
            name = eye_span_skip(name, strlen(forms[i].prefix));
            /* A virtual machine is a process of ours like any other. */
            bool is_other =
                eye_span_starts_with(name, "qemu") || eye_span_is(step->after, "supervisor");
            return is_other ? (struct eye_span){0} : name;
        }
    }
    return (struct eye_span){0};
}

static const struct {
    struct eye_span (*read)(const struct step *);
    bool is_name;
} forms[] = {
    {read_lxc, true},   {read_machine, true}, {read_id, false},
    {read_task, false}, {read_uuid, false},
};

/* False when the element is of no container. */
static bool read_container(const struct step *step, struct eye_place *place)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(forms) && !is_monitor(step->element); i++) {
        struct eye_span id = forms[i].read(step);
        if (id.length > 0) {
            place->container = id;
            place->is_name = forms[i].is_name;
            return true;
        }
    }
    return false;
}

/* ---- pods ---- */

/* The part of @element behind the last "pod" that begins it or follows a "-". */
static struct eye_span behind_pod(struct eye_span element)
{
    struct eye_span found = {0};
    for (size_t i = 0; i + 3 <= element.length; i++) {
        bool begins = i == 0 || element.start[i - 1] == '-';
        if (begins && memcmp(element.start + i, "pod", 3) == 0) {
            found = eye_span_skip(element, i + 3);
        }
    }
    return found;
}

/* The uid of "podUID" or "kubepods-besteffort-podUID.slice"; empty without one. */
static struct eye_span read_pod(struct eye_span element)
{
    struct eye_span uid = behind_pod(element);
    size_t length = 0;
    while (length < uid.length &&
           (is_hex(uid.start[length]) || uid.start[length] == '-' || uid.start[length] == '_')) {
        length++;
    }
    uid.length = length;
    return length >= UID_LEAST && length <= UID_MOST ? uid : (struct eye_span){0};
}

static bool is_of_pods(struct eye_span element)
{
    static const char word[] = "kubepods";
    struct eye_span name = element;
    return !eye_span_cut_suffix(&name, ".service") && element.length >= strlen(word) &&
           memmem(element.start, element.length, word, strlen(word)) != NULL;
}

/* ---- the whole ---- */

static void take_step(const struct step *step, bool *in_pods, struct eye_place *place)
{
    struct eye_span unit = step->element;
    if (is_of_pods(step->element)) {
        *in_pods = true;
        place->unit = (struct eye_span){0}; /* the runtime's */
    }
    struct eye_span pod = *in_pods ? read_pod(step->element) : (struct eye_span){0};
    if (pod.length > 0) {
        place->pod = pod;
    }
    if (read_container(step, place)) {
        place->unit = is_runtime_unit(place->unit) ? (struct eye_span){0} : place->unit;
    } else if (eye_span_cut_suffix(&unit, ".service") && !is_user_manager(unit)) {
        place->unit = unit;
    }
}

struct eye_place eye_place_of_path(struct eye_span path)
{
    struct eye_place place = {0};
    struct step step = {0};
    bool in_pods = false;
    bool more = eye_span_next(&path, '/', &step.after);
    while (more) {
        step.before = step.element;
        step.element = step.after;
        step.after = (struct eye_span){0};
        more = eye_span_next(&path, '/', &step.after);
        take_step(&step, &in_pods, &place);
    }
    /* systemd's cg_escape(): "_" stands before what could be taken for a file of the kernel. */
    if (eye_span_starts_with(place.unit, "_")) {
        place.unit = eye_span_skip(place.unit, 1);
    }
    return place;
}

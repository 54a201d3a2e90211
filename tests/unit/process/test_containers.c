/* SPDX-License-Identifier: Apache-2.0 */
/* Containers by id: which file names them, when it is read again, the limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "collector/process/containers.h"
#include "tests/unit/process/fake_proc.h"
#include "tests/unit/process/fake_root.h"

#define ID "4f6d9ac25a1b4a36a6f1d3e0c9b8a7564f6d9ac25a1b4a36a6f1d3e0c9b8a756"
#define OTHER_ID "0000000000000000000000000000000000000000000000000000000000000001"
#define UID "8f2c1a3b-0d4e-4f5a-9b6c-7d8e9f0a1b2c"
#define PID 4242
#define START 98765
#define OWNER eye_owner_key(PID, START *UINT64_C(10000000), 7)
#define DOCKER "var/lib/docker/containers/" ID "/config.v2.json"
#define BUNDLE "run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json"
#define STORAGE "var/lib/containers/storage/overlay-containers/"
#define LOG "var/log/containers/api-0_shop_api-" ID ".log"
#define POD_LABELS(name)                                                                           \
    "{\"annotations\":{\"io.kubernetes.container.name\":\"" name                                   \
    "\",\"io.kubernetes.pod.name\":\"api-0\",\"io.kubernetes.pod.namespace\":\"shop\"}}"

static const struct eye_container_id outside = {.text = ID};
static const struct eye_container_id inside = {.text = ID, .pod = UID};

struct fixture {
    struct fake_proc proc;
    struct fake_root root;
    struct eye_procfs procfs;
    struct eye_containers *containers;
    struct eye_container *joined;
    unsigned renamed;
    uint64_t now_ns;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    fake_proc_init(&fixture->proc);
    fake_root_init(&fixture->root);
    eye_procfs_init(&fixture->procfs, fixture->proc.root);
    fixture->containers = eye_containers_new(fixture->root.path, &fixture->procfs);
    assert_non_null(fixture->containers);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_containers_leave(fixture->containers, fixture->joined);
    eye_containers_free(fixture->containers);
    eye_procfs_done(&fixture->procfs);
    fake_root_done(&fixture->root);
    fake_proc_done(&fixture->proc);
    free(fixture);
    return 0;
}

/* In the place of the one before. */
static void join(struct fixture *fixture, const struct eye_container_id *id)
{
    eye_containers_leave(fixture->containers, fixture->joined);
    fixture->joined = eye_containers_join(fixture->containers, id, OWNER);
    assert_non_null(fixture->joined);
}

static void note_renamed(void *context, const struct eye_container *container)
{
    struct fixture *fixture = context;
    assert_ptr_equal(container, fixture->joined);
    fixture->renamed++;
}

static void refresh_after(struct fixture *fixture, uint64_t ns)
{
    fixture->now_ns += ns;
    eye_containers_refresh(fixture->containers, fixture->now_ns, note_renamed, fixture);
}

static const char *name_of(const struct fixture *fixture)
{
    const struct eye_container_names *names = eye_container_names(fixture->joined);
    return names == NULL ? "" : names->name;
}

static uint64_t outcome(const struct fixture *fixture, enum eye_container_outcome which)
{
    return eye_containers_stats(fixture->containers).outcomes[which];
}

static void free__takes_null(void **state)
{
    struct fixture *fixture = *state;
    eye_containers_free(NULL);
    eye_containers_leave(fixture->containers, NULL);
}

static void join__wants_an_id(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_container_id none = {.pod = UID};
    assert_null(eye_containers_join(fixture->containers, &none, OWNER));
    assert_int_equal(eye_containers_stats(fixture->containers).count, 0);
}

/* Each runtime's own place. */
static void join__reads_every_runtimes_file(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *path, *text;
        const struct eye_container_id *id;
        const char *name, *pod;
    } cases[] = {
        {BUNDLE, POD_LABELS("api"), &inside, "api", "api-0"},
        {"run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json",
         POD_LABELS("k3s"), &inside, "k3s", "api-0"},
        {"var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID
         "/config.json",
         POD_LABELS("microk8s"), &inside, "microk8s", "api-0"},
        {"run/containers/storage/overlay-containers/" ID "/userdata/config.json",
         POD_LABELS("crio"), &inside, "crio", "api-0"},
        {DOCKER, "{\"Name\":\"/web\"}", &outside, "web", ""},
        {"var/snap/docker/common/var-lib-docker/containers/" ID "/config.v2.json",
         "{\"Name\":\"/snap\"}", &outside, "snap", ""},
        {"run/containerd/io.containerd.runtime.v2.task/default/" ID "/config.json",
         "{\"annotations\":{\"nerdctl/name\":\"db\"}}", &outside, "db", ""},
        {STORAGE "containers.json", "[{\"id\":\"" ID "\",\"names\":[\"pod-man\"]}]", &outside,
         "pod-man", ""},
        {STORAGE "volatile-containers.json", "[{\"id\":\"" ID "\",\"names\":[\"rm\"]}]", &outside,
         "rm", ""},
        {LOG, "", &inside, "api", "api-0"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char full[512];
        fake_root_write(&fixture->root, cases[i].path, cases[i].text);
        eye_containers_leave(fixture->containers, EYE_TAKE(fixture->joined));
        join(fixture, cases[i].id);
        const struct eye_container_names *names = eye_container_names(fixture->joined);
        assert_non_null(names);
        assert_string_equal(names->name, cases[i].name);
        assert_string_equal(names->pod, cases[i].pod);
        snprintf(full, sizeof(full), "%s/%s", fixture->root.path, cases[i].path);
        assert_int_equal(unlink(full), 0);
    }
    assert_int_equal(outcome(fixture, EYE_CONTAINER_NAMED), EYE_ARRAY_LENGTH(cases));
}

/* Nothing of the runtime, and no log yet: the process' own mounts; the log comes later. */
static void join__asks_the_mounts_of_the_process(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "mountinfo",
                         "3 1 8:1 /kubelet/pods/" UID "/containers/api/1 /t rw - ext4 a rw\n");
    join(fixture, &inside);
    assert_string_equal(name_of(fixture), "api");
    assert_string_equal(eye_container_names(fixture->joined)->pod, "");
    fake_root_write(&fixture->root, LOG, "");
    fake_proc_end(&fixture->proc, PID);
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_int_equal(fixture->renamed, 1);
    assert_string_equal(eye_container_names(fixture->joined)->pod, "api-0");
    assert_string_equal(eye_container_names(fixture->joined)->namespace_name, "shop");
}

static void join__reads_once_for_all_programs(void **state)
{
    struct fixture *fixture = *state;
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    join(fixture, &outside);
    struct eye_container *same = eye_containers_join(fixture->containers, &outside, OWNER + 1);
    assert_ptr_equal(same, fixture->joined);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_NAMED), 1);
    assert_int_equal(eye_containers_stats(fixture->containers).count, 1);
    eye_containers_leave(fixture->containers, same);
    assert_int_equal(eye_containers_stats(fixture->containers).count, 1);
    eye_containers_leave(fixture->containers, EYE_TAKE(fixture->joined));
    assert_int_equal(eye_containers_stats(fixture->containers).count, 0);
    assert_int_equal(eye_containers_stats(fixture->containers).named, 0);
}

/* A label is its maker's word. */
static void join__believes_the_path_about_pods(void **state)
{
    struct fixture *fixture = *state;
    fake_root_write(&fixture->root, BUNDLE, POD_LABELS("api"));
    join(fixture, &outside);
    assert_string_equal(name_of(fixture), "api");
    assert_string_equal(eye_container_names(fixture->joined)->pod, "");
    assert_string_equal(eye_container_names(fixture->joined)->namespace_name, "");
}

static void join__knows_names_of_the_path(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_container_id lxc = {.text = "web", .is_name = true};
    join(fixture, &lxc);
    assert_string_equal(name_of(fixture), "web");
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_int_equal(fixture->renamed, 0);
}

/* docker rename writes the file anew. */
static void refresh__takes_a_new_name(void **state)
{
    struct fixture *fixture = *state;
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    join(fixture, &outside);
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_NAMED), 1); /* not read again */
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/shop\"}");
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS - 1); /* not yet */
    assert_string_equal(name_of(fixture), "web");
    refresh_after(fixture, 1);
    assert_string_equal(name_of(fixture), "shop");
    assert_int_equal(fixture->renamed, 1);
    /* The same again: Docker writes it for other reasons, too. */
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/shop\",\"a\":1}");
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_NAMED), 3);
    assert_int_equal(fixture->renamed, 1);
}

/* Half a file, none: what is known stays, and is put right when the file is. */
static void refresh__keeps_the_name_when_nobody_tells(void **state)
{
    struct fixture *fixture = *state;
    char full[512];
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    join(fixture, &outside);
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/sh");
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_MALFORMED), 1);
    snprintf(full, sizeof(full), "%s/%s", fixture->root.path, DOCKER);
    assert_int_equal(unlink(full), 0);
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_string_equal(name_of(fixture), "web");
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/shop\"}");
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_string_equal(name_of(fixture), "shop");
}

/* After 5 s, 10 s, ...: a file may come late. */
static void refresh__goes_on_looking_for_a_name(void **state)
{
    struct fixture *fixture = *state;
    uint64_t pause_ns = EYE_CONTAINER_LOOK_NS;
    join(fixture, &outside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_UNKNOWN), 1);
    for (uint64_t looks = 2; looks < 10; looks++) {
        refresh_after(fixture, pause_ns - 1);
        assert_int_equal(outcome(fixture, EYE_CONTAINER_UNKNOWN), looks - 1);
        refresh_after(fixture, 1);
        assert_int_equal(outcome(fixture, EYE_CONTAINER_UNKNOWN), looks);
        pause_ns =
            2 * pause_ns < EYE_CONTAINER_PAUSE_MAX_NS ? 2 * pause_ns : EYE_CONTAINER_PAUSE_MAX_NS;
    }
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/late\"}");
    refresh_after(fixture, pause_ns);
    assert_string_equal(name_of(fixture), "late");
    assert_int_equal(fixture->renamed, 1);
}

/* With the folder of the host mounted somewhere, links have to stay in it. */
static void join__follows_links_inside_the_root(void **state)
{
    struct fixture *fixture = *state;
    char link[256];
    fake_root_write(&fixture->root, "data/docker/containers/" ID "/config.v2.json",
                    "{\"Name\":\"/moved\"}");
    fake_root_make(&fixture->root, "var/lib");
    snprintf(link, sizeof(link), "%s/var/lib/docker", fixture->root.path);
    assert_int_equal(symlink("/data/docker", link), 0);
    join(fixture, &outside);
    assert_string_equal(name_of(fixture), "moved");
}

/* Nothing of it is waited for. */
static void join__takes_regular_files_only(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    fake_root_make(&fixture->root, "var/lib/docker/containers/" ID);
    snprintf(path, sizeof(path), "%s/%s", fixture->root.path, DOCKER);
    assert_int_equal(mkfifo(path, 0600), 0);
    join(fixture, &outside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_MALFORMED), 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    eye_containers_leave(fixture->containers, EYE_TAKE(fixture->joined));
    join(fixture, &outside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_MALFORMED), 2);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("config.v2.json", path), 0);
    eye_containers_leave(fixture->containers, EYE_TAKE(fixture->joined));
    join(fixture, &outside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_MALFORMED), 3);
    assert_string_equal(name_of(fixture), "");
}

static void grow(const struct fixture *fixture, const char *path, size_t bytes)
{
    char full[256];
    snprintf(full, sizeof(full), "%s/%s", fixture->root.path, path);
    assert_int_equal(truncate(full, (off_t)bytes), 0);
}

static void join__leaves_large_files(void **state)
{
    struct fixture *fixture = *state;
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    grow(fixture, DOCKER, EYE_CONTAINER_FILE_BYTES + 1);
    join(fixture, &outside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_TOO_LARGE), 1);
}

/* Of many large ones the interval reads some; the rest has its turn at the end. */
static void join__waits_when_the_interval_has_read_enough(void **state)
{
    struct fixture *fixture = *state;
    size_t reads = EYE_CONTAINER_INTERVAL_BYTES / EYE_CONTAINER_FILE_BYTES;
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    grow(fixture, DOCKER, EYE_CONTAINER_FILE_BYTES);
    for (size_t i = 0; i < reads + 1; i++) {
        eye_containers_leave(fixture->containers, EYE_TAKE(fixture->joined));
        join(fixture, &outside);
    }
    assert_int_equal(outcome(fixture, EYE_CONTAINER_MALFORMED), reads);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_POSTPONED), 1);
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    refresh_after(fixture, 1);
    assert_string_equal(name_of(fixture), "web");
    assert_int_equal(fixture->renamed, 1);
}

static void join__names_a_bounded_number(void **state)
{
    struct fixture *fixture = *state;
    static struct eye_container *all[EYE_CONTAINER_MAX];
    for (size_t i = 0; i < EYE_CONTAINER_MAX; i++) {
        struct eye_container_id id = {.is_name = true};
        snprintf(id.text, sizeof(id.text), "c%zu", i);
        all[i] = eye_containers_join(fixture->containers, &id, OWNER);
        assert_non_null(eye_container_names(all[i]));
    }
    fake_root_write(&fixture->root, DOCKER, "{\"Name\":\"/web\"}");
    join(fixture, &outside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_NO_ROOM), 1);
    assert_string_equal(name_of(fixture), "");
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_string_equal(name_of(fixture), "");
    eye_containers_leave(fixture->containers, all[0]);
    refresh_after(fixture, EYE_CONTAINER_LOOK_NS);
    assert_string_equal(name_of(fixture), "web");
    for (size_t i = 1; i < EYE_CONTAINER_MAX; i++) {
        eye_containers_leave(fixture->containers, all[i]);
    }
}

static void join__looks_at_a_bounded_number_of_logs(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    fake_root_make(&fixture->root, "var/log/containers");
    for (unsigned i = 0; i <= EYE_CONTAINER_LOGS_MAX; i++) {
        snprintf(path, sizeof(path), "%s/var/log/containers/%u", fixture->root.path, i);
        assert_int_equal(symlink("/nonexistent", path), 0);
    }
    join(fixture, &inside);
    assert_int_equal(outcome(fixture, EYE_CONTAINER_TOO_LARGE), 1);
}

static void new__lives_without_a_root(void **state)
{
    struct fixture *fixture = *state;
    struct eye_containers *containers = eye_containers_new("/nonexistent", &fixture->procfs);
    struct eye_container *container = eye_containers_join(containers, &inside, OWNER);
    assert_null(eye_container_names(container));
    assert_int_equal(eye_containers_stats(containers).outcomes[EYE_CONTAINER_FAILED], 1);
    eye_containers_leave(containers, container);
    eye_containers_free(containers);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(free__takes_null),
        TEST(join__wants_an_id),
        TEST(join__reads_every_runtimes_file),
        TEST(join__asks_the_mounts_of_the_process),
        TEST(join__reads_once_for_all_programs),
        TEST(join__believes_the_path_about_pods),
        TEST(join__knows_names_of_the_path),
        TEST(refresh__takes_a_new_name),
        TEST(refresh__keeps_the_name_when_nobody_tells),
        TEST(refresh__goes_on_looking_for_a_name),
        TEST(join__follows_links_inside_the_root),
        TEST(join__takes_regular_files_only),
        TEST(join__leaves_large_files),
        TEST(join__waits_when_the_interval_has_read_enough),
        TEST(join__names_a_bounded_number),
        TEST(join__looks_at_a_bounded_number_of_logs),
        TEST(new__lives_without_a_root),
    };
    return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}

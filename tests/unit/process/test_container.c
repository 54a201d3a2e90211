/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of runtimes and of the kubelet tell, and what strangers could write into them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/process/container.h"

#define ID "4f6d9ac25a1b4a36a6f1d3e0c9b8a7564f6d9ac25a1b4a36a6f1d3e0c9b8a756"
#define OTHER_ID "0000000000000000000000000000000000000000000000000000000000000001"
#define UID "8f2c1a3b-0d4e-4f5a-9b6c-7d8e9f0a1b2c"
#define OTHER_UID "11111111-0d4e-4f5a-9b6c-7d8e9f0a1b2c"

static const struct eye_container_id id = {.text = ID, .pod = UID};

struct reading {
    eye_container_reader *read;
    const char *file;
    int result;
    const char *name, *pod, *namespace_name;
};

static void check(const struct reading *readings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct reading *wanted = &readings[i];
        struct eye_container_names names = {0};
        struct eye_span file = {wanted->file, strlen(wanted->file)};
        int result = wanted->read(&id, file, &names);
        if (result != wanted->result || strcmp(names.name, wanted->name) != 0 ||
            strcmp(names.pod, wanted->pod) != 0 ||
            strcmp(names.namespace_name, wanted->namespace_name) != 0) {
            fail_msg("%s: %d, name \"%s\", pod \"%s\", namespace \"%s\"", wanted->file, result,
                     names.name, names.pod, names.namespace_name);
        }
    }
}

/* Parts of files that the runtimes of the names wrote. */
static const struct reading goldens[] = {
    {eye_container_read_bundle,
     "{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/coredns\"]},\"annotations\":{"
     "\"io.kubernetes.cri.container-name\":\"coredns\","
     "\"io.kubernetes.cri.container-type\":\"container\","
     "\"io.kubernetes.cri.sandbox-id\":\"" OTHER_ID "\","
     "\"io.kubernetes.cri.sandbox-name\":\"coredns-558bd4d5db-x2k4q\","
     "\"io.kubernetes.cri.sandbox-namespace\":\"kube-system\"}}",
     0, "coredns", "coredns-558bd4d5db-x2k4q", "kube-system"},
    {eye_container_read_bundle,
     "{\"annotations\":{\"io.container.manager\":\"cri-o\",\"io.kubernetes.container.name\":"
     "\"api\","
     "\"io.kubernetes.cri-o.Name\":\"k8s_api_api-0_shop_" UID "_0\","
     "\"io.kubernetes.pod.name\":\"api-0\",\"io.kubernetes.pod.namespace\":\"shop\"}}",
     0, "api", "api-0", "shop"},
    {eye_container_read_bundle,
     "{\"annotations\":{\"nerdctl/name\":\"db\",\"nerdctl/namespace\":\"default\"}}", 0, "db", "",
     ""},
    {eye_container_read_bundle, "{\"annotations\":{\"io.container.manager\":\"libpod\"}}", 0, "",
     "", ""},
    {eye_container_read_docker,
     "{\"StreamConfig\":{},\"ID\":\"" ID "\",\"Config\":{\"Hostname\":\"4f6d9ac25a1b\","
     "\"Labels\":{\"com.docker.compose.service\":\"web\"}},\"Name\":\"/shop-web-1\"}",
     0, "shop-web-1", "", ""},
    {eye_container_read_docker,
     "{\"Config\":{\"Labels\":{\"com.docker.swarm.service.name\":\"shop_web\","
     "\"com.docker.swarm.task.name\":\"shop_web.1.x7z\"}},\"Name\":\"/shop_web.1.x7z\"}",
     0, "shop_web", "", ""},
    {eye_container_read_docker,
     "{\"Config\":{\"Labels\":{\"io.kubernetes.container.name\":\"api\","
     "\"io.kubernetes.pod.name\":\"api-0\",\"io.kubernetes.pod.namespace\":\"shop\"}},"
     "\"Name\":\"/k8s_api_api-0_shop_" UID "_0\"}",
     0, "api", "api-0", "shop"},
    {eye_container_read_storage,
     "[{\"id\":\"" OTHER_ID "\",\"names\":[\"other\"]},"
     "{\"id\":\"" ID "\",\"names\":[\"web\",\"alias\"],\"image\":\"x\",\"metadata\":\"{}\"}]",
     0, "web", "", ""},
    {eye_container_read_storage, "[]", 0, "", "", ""},
    {eye_container_read_log_name, "api-0_shop_api-" ID ".log", 0, "api", "api-0", "shop"},
    {eye_container_read_log_name, "web-7d4_default_my-app-" ID ".log", 0, "my-app", "web-7d4",
     "default"},
    {eye_container_read_mounts,
     "1 0 0:51 / / rw - overlay overlay rw\n"
     "2 1 8:1 /var/lib/kubelet/pods/" UID "/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
     "3 1 8:1 /var/lib/kubelet/pods/" UID
     "/containers/api/6c11bb1e /dev/termination-log rw - ext4 /dev/sda1 rw\n",
     0, "api", "", ""},
    /* A file system of its own for the kubelet's folder. */
    {eye_container_read_mounts,
     "3 1 8:1 /pods/" UID "/containers/api/6c11bb1e /dev/termination-log rw - ext4 a rw", 0, "api",
     "", ""},
};

static void read__takes_names_of_every_runtime(void **state)
{
    (void)state;
    check(goldens, EYE_ARRAY_LENGTH(goldens));
}

static const struct reading strangers[] = {
    /* no such format */
    {eye_container_read_bundle, "", -EBADMSG, "", "", ""},
    {eye_container_read_bundle, "{", -EBADMSG, "", "", ""},
    {eye_container_read_bundle, "[]", -EBADMSG, "", "", ""},
    {eye_container_read_bundle, "{}x", -EBADMSG, "", "", ""},
    {eye_container_read_bundle, "{\"annotations\":{\"nerdctl/name\":\"\xff\"}}", -EBADMSG, "", "",
     ""},
    {eye_container_read_docker, "\"Name\"", -EBADMSG, "", "", ""},
    {eye_container_read_storage, "{}", -EBADMSG, "", "", ""},
    {eye_container_read_log_name, "api-0_shop_api-" OTHER_ID ".log", -EBADMSG, "", "", ""},
    {eye_container_read_log_name, "api-" ID ".log", -EBADMSG, "", "", ""},
    {eye_container_read_log_name, ID ".log", -EBADMSG, "", "", ""},
    {eye_container_read_log_name, ".log", -EBADMSG, "", "", ""},
    /* values of another type */
    {eye_container_read_bundle, "{\"annotations\":7}", 0, "", "", ""},
    {eye_container_read_bundle, "{\"annotations\":{\"nerdctl/name\":7}}", 0, "", "", ""},
    {eye_container_read_docker, "{\"Name\":[\"a\"],\"Config\":[]}", 0, "", "", ""},
    {eye_container_read_docker, "{\"Name\":\"/\"}", 0, "", "", ""},
    {eye_container_read_storage, "[1,{\"id\":2},{\"id\":\"" ID "\",\"names\":{}}]", 0, "", "", ""},
    {eye_container_read_storage, "[{\"id\":\"" ID "\",\"names\":[]}]", 0, "", "", ""},
    /* what hides, what ends a line, words of ours */
    {eye_container_read_docker, "{\"Name\":\"/a\\nb\\u202ec\\u0000d\"}", 0, "a_b_c_d", "", ""},
    {eye_container_read_docker, "{\"Name\":\"/kernel\"}", 0, "kernel_", "", ""},
    {eye_container_read_docker, "{\"Name\":\"/__other__\"}", 0, "__other___", "", ""},
    /* another pod's folder, and parts of the way */
    {eye_container_read_mounts,
     "3 1 8:1 /var/lib/kubelet/pods/" OTHER_UID "/containers/x/1 /y rw - ext4 a rw\n", 0, "", "",
     ""},
    {eye_container_read_mounts, "3 1 8:1 /pods/" UID "/containers/ /y rw - ext4 a rw\n", 0, "", "",
     ""},
    {eye_container_read_mounts, "3 1 8:1 /pods/" UID "/x/containers/y/1 /z rw - a b c\n", 0, "", "",
     ""},
    {eye_container_read_mounts, "3 1 8:1 /pods/pods/" UID "/containers/y/1 /z rw - a b c\n", 0, "y",
     "", ""},
    {eye_container_read_mounts, "3 1 8:1 / /pods/" UID "/containers/y/1 rw - a b c\n", 0, "", "",
     ""},
    {eye_container_read_mounts, "\n\n \n1\n1 2 3", 0, "", "", ""},
};

static void read__takes_nothing_else(void **state)
{
    (void)state;
    check(strangers, EYE_ARRAY_LENGTH(strangers));
}

static void read__keeps_what_is_known_already(void **state)
{
    (void)state;
    struct eye_container_names names = {.name = "first"};
    struct eye_span file = {goldens[9].file, strlen(goldens[9].file)};
    assert_int_equal(eye_container_read_log_name(&id, file, &names), 0);
    assert_string_equal(names.name, "first");
    assert_string_equal(names.pod, "api-0");
}

/* A program outside of every pod may have any mount. */
static void read_mounts__wants_a_pod(void **state)
{
    (void)state;
    const struct eye_container_id outside = {.text = ID};
    struct eye_container_names names = {0};
    static const char line[] = "3 1 8:1 /pods//containers/y/1 /z rw - a b c\n";
    assert_int_equal(
        eye_container_read_mounts(&outside, (struct eye_span){line, strlen(line)}, &names), 0);
    assert_string_equal(names.name, "");
}

static void read__survives_depth(void **state)
{
    (void)state;
    char deep[8192];
    struct eye_container_names names = {0};
    memset(deep, '[', sizeof(deep));
    assert_int_equal(eye_container_read_storage(&id, (struct eye_span){deep, sizeof(deep)}, &names),
                     -EBADMSG);
}

static void tag__is_what_runtimes_show(void **state)
{
    (void)state;
    static const struct {
        struct eye_container_id id;
        const char *tag;
    } cases[] = {
        {{.text = ID}, "4f6d9ac25a1b"},
        {{.text = ID, .is_name = true}, ID},
        {{.text = "0123456789abcdef0123456789abcdef-17"}, "0123456789abcdef0123456789abcdef-17"},
        {{.text = ""}, ""},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char tag[EYE_CONTAINER_ID_BYTES];
        eye_container_tag(&cases[i].id, tag);
        assert_string_equal(tag, cases[i].tag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read__takes_names_of_every_runtime),
        cmocka_unit_test(read__takes_nothing_else),
        cmocka_unit_test(read__keeps_what_is_known_already),
        cmocka_unit_test(read_mounts__wants_a_pod),
        cmocka_unit_test(read__survives_depth),
        cmocka_unit_test(tag__is_what_runtimes_show),
    };
    return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}

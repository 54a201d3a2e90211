/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of cgroups as systemd, container runtimes and the kubelet make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/process/place.h"

#define ID "4f6d9ac25a1b4a36a6f1d3e0c9b8a7564f6d9ac25a1b4a36a6f1d3e0c9b8a756"
#define OTHER_ID "0000000000000000000000000000000000000000000000000000000000000001"
#define TASK "0123456789abcdef0123456789abcdef"
#define UID "8f2c1a3b-0d4e-4f5a-9b6c-7d8e9f0a1b2c"
#define UID_ESCAPED "8f2c1a3b_0d4e_4f5a_9b6c_7d8e9f0a1b2c"
#define BURSTABLE                                                                                  \
    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ESCAPED ".slice/"

struct place_case {
    const char *path, *unit, *container, *pod;
    bool is_name;
};

static const struct place_case cases[] = {
    /* Docker: cgroupfs, in itself, the systemd driver, rootless, a systemd inside */
    {"/docker/" ID, "", ID, "", false},
    {"/docker/" OTHER_ID "/docker/" ID, "", ID, "", false},
    {"/" ID, "", ID, "", false},
    {"/system.slice/docker-" ID ".scope", "", ID, "", false},
    {"/system.slice/docker.service/docker/" ID, "", ID, "", false},
    {"/system.slice/docker.service", "docker", "", "", false},
    {"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope", "", ID, "",
     false},
    {"/system.slice/docker-" ID ".scope/system.slice/sshd.service", "sshd", ID, "", false},
    {"/system.slice/docker-" ID ".scope/init.scope", "", ID, "", false},
    /* containerd */
    {"/default/" ID, "", ID, "", false},
    {"/system.slice/nerdctl-" ID ".scope", "", ID, "", false},
    {"/" BURSTABLE "cri-containerd-" ID ".scope", "", ID, UID_ESCAPED, false},
    {"/system.slice/containerd.service/kubepods-burstable-pod" UID_ESCAPED
     ".slice:cri-containerd:" ID,
     "", ID, UID_ESCAPED, false},
    {"/system.slice/containerd.service", "containerd", "", "", false},
    /* CRI-O, and what watches its containers */
    {"/kubepods/besteffort/pod" UID "/crio-" ID, "", ID, UID, false},
    {"/" BURSTABLE "crio-" ID ".scope", "", ID, UID_ESCAPED, false},
    {"/" BURSTABLE "crio-" ID ".scope/container", "", ID, UID_ESCAPED, false},
    {"/" BURSTABLE "crio-conmon-" ID ".scope", "", "", UID_ESCAPED, false},
    {"/system.slice/crio-conmon-" ID ".scope", "", "", "", false},
    /* podman */
    {"/libpod_parent/libpod-" ID, "", ID, "", false},
    {"/machine.slice/libpod-" ID ".scope/container", "", ID, "", false},
    {"/machine.slice/libpod-conmon-" ID ".scope", "", "", "", false},
    {"/system.slice/web.service/libpod-payload-" ID, "web", ID, "", false},
    /* LXC, Incus */
    {"/lxc/web", "", "web", "", true},
    {"/lxc.payload.web", "", "web", "", true},
    {"/lxc.payload.web/system.slice/nginx.service", "nginx", "web", "", true},
    {"/lxc.payload.web/init.scope", "", "web", "", true},
    {"/lxc.monitor.web", "", "", "", false},
    {"/system.slice/snap.lxd.daemon.service/lxc.payload.web", "", "web", "", true},
    {"/lxc.payload.web/docker/" ID, "", ID, "", false},
    /* nspawn, and its supervisor; a virtual machine is none */
    {"/machine.slice/systemd-nspawn@web.service/payload", "", "web", "", true},
    {"/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service", "nginx", "web",
     "", true},
    {"/machine.slice/systemd-nspawn@web.service/supervisor", "systemd-nspawn@web", "", "", false},
    {"/machine.slice/machine-my\\x2dweb.scope", "", "my\\x2dweb", "", true},
    {"/machine.slice/machine-my\\x2dweb.scope/payload", "", "my\\x2dweb", "", true},
    {"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "", "", "", false},
    /* Kubernetes: guaranteed, kind, a static pod, its own slice */
    {"/kubepods/pod" UID "/" ID, "", ID, UID, false},
    {"/kubepods.slice/kubepods-pod" UID_ESCAPED ".slice/docker-" ID ".scope", "", ID, UID_ESCAPED,
     false},
    {"/docker/" OTHER_ID "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" UID_ESCAPED
     ".slice/cri-containerd-" ID ".scope",
     "", ID, UID_ESCAPED, false},
    {"/kubelet/kubepods/burstable/pod" UID "/" ID, "", ID, UID, false},
    {"/kubepods/burstable/pod" TASK "/" ID, "", ID, TASK, false},
    {"/" BURSTABLE "cri-containerd-" ID ".scope/system.slice/cron.service", "cron", ID, UID_ESCAPED,
     false},
    {"/system.slice/kubepods-exporter.service", "kubepods-exporter", "", "", false},
    {"/kubepods/podx/" ID, "", ID, "", false},
    {"/pod" UID "/" ID, "", ID, "", false},
    /* ECS, Fargate, Garden */
    {"/ecs/" TASK "/" ID, "", ID, "", false},
    {"/ecs/" TASK "/" TASK "-1234567890", "", TASK "-1234567890", "", false},
    {"/ecs/" UID "/" ID, "", ID, "", false},
    {"/ecstasks.slice/ecstasks-" TASK ".slice/docker-" ID ".scope", "", ID, "", false},
    {"/ecstasks.slice/ecstasks-" TASK ".slice/docker-" TASK "-17.scope", "", TASK "-17", "", false},
    {"/garden/8f2c1a3b-0d4e-4f5a-9b6c-7d8e", "", "8f2c1a3b-0d4e-4f5a-9b6c-7d8e", "", false},
    {"/garden/" UID, "", UID, "", false},
    /* neither */
    {"/system.slice/" TASK "-x", "", "", "", false},
    {"/system.slice/" TASK "-", "", "", "", false},
    {"/system.slice/8f2c1a3b-0d4e", "", "", "", false},
    {"/run-" TASK ".scope", "", "", "", false},
    {"/x/0" ID, "", "", "", false},
    {"/lxc", "", "", "", false},
    {"/lxc.payload.", "", "", "", false},
    {"/machine-.scope", "", "", "", false},
    {"", "", "", "", false},
    {"////", "", "", "", false},
    /* units: escapes and templates stay as they are */
    {"/system.slice/system-openvpn.slice/openvpn@my\\x2dclient.service", "openvpn@my\\x2dclient",
     "", "", false},
    {"/system.slice/_cpu.service", "cpu", "", "", false},
};

static bool is_same(struct eye_span text, const char *expected)
{
    return text.length == strlen(expected) &&
           (text.length == 0 || memcmp(text.start, expected, text.length) == 0);
}

static void of_path__knows_every_runtime(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        const struct place_case *wanted = &cases[i];
        const struct eye_place place =
            eye_place_of_path((struct eye_span){wanted->path, strlen(wanted->path)});
        if (!is_same(place.unit, wanted->unit) || !is_same(place.container, wanted->container) ||
            !is_same(place.pod, wanted->pod) || place.is_name != wanted->is_name) {
            fail_msg("%s: unit \"%.*s\", container \"%.*s\", pod \"%.*s\", %d", wanted->path,
                     (int)place.unit.length, place.unit.start, (int)place.container.length,
                     place.container.start, (int)place.pod.length, place.pod.start, place.is_name);
        }
    }
}

/* The kernel side hands on the innermost four names: enough for every runtime. */
static void of_path__needs_four_levels(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/" BURSTABLE "cri-containerd-" ID ".scope",
        "/system.slice/containerd.service/kubepods-burstable-pod" UID_ESCAPED
        ".slice:cri-containerd:" ID,
        "/kubepods/besteffort/pod" UID "/crio-" ID,
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(paths); i++) {
        size_t levels = 0;
        for (const char *at = paths[i]; *at != '\0'; at++) {
            levels += *at == '/';
        }
        assert_in_range(levels, 1, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_path__knows_every_runtime),
        cmocka_unit_test(of_path__needs_four_levels),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}

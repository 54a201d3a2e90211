# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# The parts of the tests. Each is a function part_NAME that runs in a shell of its own and fails as
# soon as a command of it does; skip() and remark() tell what could not be tried.

# name     command preset packages  what it passes
parts="
check      test    dev    -         layers, includes, banned functions
unit       test    dev    -         unit tests
reference  test    dev    reference formats against other implementations
live       test    dev    live      the daemon on this kernel
fresh      test    dev    -         README's first command in a clean clone
style      deep    dev    style     clang-format and clang-tidy
outages    deep    dev    live      receivers that are away for long, or misbehave
survival   deep    dev    live      processes that are probed live on, whatever they do; older ways to probe
rights     deep    dev    live      each right taken away in turn, and what threads and other users have
clang      deep    clang  -         unit tests built by the second compiler
asan       deep    asan   live      address and undefined-behaviour sanitizers
tsan       deep    tsan   live      thread sanitizer
fuzz       deep    fuzz   fuzz      fuzzers
static     deep    -      live      the static binary, in a root that has nothing but it
vm         deep    dev    vm        other kernels, and the kernel programs of another clang
systemd    deep    dev    systemd   packaging/sockeye.service under a systemd of its own, live tests too
debian     deep    dev    debian    both Debians: release and dev without a warning, unit tests; names by code of others; a second protocol
package    deep    -       package   packages: reproducible, lintian, rpmlint; installed, run, upgraded and purged in clean roots; image, chart
"

# part_column PART NUMBER
part_column() {
    awk -v part="$1" -v column="$2" '$1 == part { print $column }' <<<"$parts"
}

part_title() {
    sed -nE "s/^$1( +[^ ]+){3} +//p" <<<"$parts"
}

# expand_parts [deep|PART]...: the names of the parts meant; without any, those for everybody.
expand_parts() {
    local word
    for word in "${@:-test}"; do
        case "$word" in
        test | deep) awk -v command="$word" '$2 == command { print $1 }' <<<"$parts" ;;
        *)
            if [ -z "$(part_column "$word" 1)" ]; then
                echo "packaging/dev test: unknown part '$word'; there are: deep" \
                    "$(awk 'NF { print $1 }' <<<"$parts" | paste -sd ' ')" >&2
                return 2
            fi
            echo "$word"
            ;;
        esac
    done
}

# why_not_live SOCKEYE: prints why the daemon cannot observe this machine by eBPF; nothing when it can.
# Only the user and the word of `sockeye probe` count: whatever else goes wrong is a failure.
why_not_live() {
    local probe code=0
    if ! is_root; then
        echo "needs root"
        return
    fi
    probe=$("$1" probe --json --set source.tier=socket-storage) || code=$?
    case $code in
    0 | 1 | 3) ;; # everything, nothing, a part
    *) fail "$1 probe --json: exit code $code, expected 0, 1 or 3 and what this machine allows" ;;
    esac
    /usr/bin/python3 -c '
import json, sys
probe = json.load(sys.stdin)
if probe["tier"] == "none":
    print(probe["why_not"] or "sockeye probe: tier none")' <<<"$probe"
}

skip_unless_live() {
    local reason
    reason=$(why_not_live "$1")
    [ -z "$reason" ] || skip "$reason"
    prepare_host
}

# Live tests mostly wait for intervals to end: so many at once still find two processors idle.
live_at_once=6

# tests PRESET LABEL [CTEST ARGUMENTS]...
tests() {
    local preset=$1 label=$2
    shift 2
    ctest --test-dir "build/$preset" -L "^$label\$" --no-tests=error --output-on-failure "$@"
    remark_skips "build/$preset/Testing/Temporary/LastTest.log"
}

# remark_skips LOG: tests that pass without having tried say so ("... skipped 'why'", "skipped: why").
remark_skips() {
    local skips
    skips=$(sed -nE "s/^(.* \.\.\. skipped |skipped: )(.*)/\2/p" "$1")
    [ -z "$skips" ] || remark "$(wc -l <<<"$skips") tests skipped: $(sort -u <<<"$skips" | paste -sd ';' | cut -c 1-160)"
}

part_check() {
    tests dev check
}

part_unit() {
    tests dev unit --parallel "$(nproc)"
}

part_reference() {
    tests dev reference
}

part_live() {
    skip_unless_live build/dev/collector/sockeye
    tests dev integration --parallel "$live_at_once"
}

part_outages() {
    skip_unless_live build/dev/collector/sockeye
    tests dev outages --parallel "$live_at_once"
}

part_survival() {
    skip_unless_live build/dev/collector/sockeye
    tests dev survival --parallel "$live_at_once"
}

part_rights() {
    skip_unless_live build/dev/collector/sockeye
    tests dev rights --parallel "$live_at_once"
}

part_fresh() {
    skip_unless_live build/dev/collector/sockeye
    clean_clone build/fresh
    /usr/bin/python3 tests/fresh/first_command.py build/fresh
    rm -rf build/fresh
}

part_style() {
    tests dev style
}

part_clang() {
    tests clang unit --parallel "$(nproc)"
}

part_asan() {
    part_sanitizer asan
}

part_tsan() {
    part_sanitizer tsan
}

part_sanitizer() {
    local reason
    tests "$1" unit --parallel "$(nproc)"
    tests "$1" reference
    reason=$(why_not_live "build/$1/collector/sockeye")
    if [ -n "$reason" ]; then
        remark "without live tests: $reason"
        return
    fi
    prepare_host
    # Instrumented daemons want a processor each: receivers' deadlines are of a second.
    tests "$1" integration --parallel "$(nproc)"
}

part_fuzz() {
    tests fuzz fuzz --parallel "$(nproc)"
}

# Its tests are no part of its preset: they are of the binary alone. TLS is another library's there.
part_static() {
    local reason tests=(test_static test_openmetrics_tls test_faults.Encrypted)
    build_static
    reason=$(why_not_live build/static/sockeye)
    if [ -n "$reason" ]; then
        remark "not run in its root: $reason"
        tests=(test_static.Binary)
    else
        prepare_host
    fi
    cd tests/integration || return
    SOCKEYE=$OLDPWD/build/static/sockeye EYE_TEST_SECONDS=300 /usr/bin/python3 -m unittest -v "${tests[@]}"
}

# The newest that this Debian has: verifiers see what clang makes of a program, not the program.
newest_clang() {
    apt-cache pkgnames clang- | grep -xE 'clang-[0-9]+' | sort -V | tail -n 1
}

part_vm() {
    local clang
    clang=$(newest_clang)
    need "$clang"
    build_in other_clang dev "-DEYE_BPF_CLANG=$(command -v "$clang")" sockeye
    /usr/bin/python3 tests/vm/matrix.py --sockeye build/dev/collector/sockeye \
        --other build/other_clang/collector/sockeye
}

part_systemd() {
    skip_unless_live build/dev/collector/sockeye
    # The daemon is this machine's build: so is its root.
    local suite
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    debian_root "$suite"
    (cd tests/systemd && SYSTEMD_ROOT=$debian_cache/root.$suite SOCKEYE=$OLDPWD/build/dev/collector/sockeye \
        /usr/bin/python3 -m unittest -v test_unit)
}

part_debian() {
    is_root || skip "needs root"
    local suite
    for suite in "${debian_suites[@]}"; do
        debian_root "$suite"
        debian_tests "$suite"
    done
    local reason
    reason=$(why_not_live build/dev/collector/sockeye)
    if [ -n "$reason" ]; then
        remark "without names by code of others and a second protocol: $reason"
        return
    fi
    prepare_host
    tests dev debian
}

# Its roots are those of part_debian before anything of ours was added.
part_package() {
    is_root || skip "needs root"
    package
    package_elsewhere
    lintian --fail-on error,warning,info --display-info "$packages_folder"/*.deb
    rpmlint --strict --rpmlintrc packaging/rpm/rpmlintrc "$packages_folder"/*.rpm
    build_image
    debian_base bookworm
    local reason
    reason=$(why_not_live build/package/collector/sockeye)
    [ -z "$reason" ] || remark "without running what was installed: $reason"
    prepare_host
    (cd tests/package &&
        EYE_PACKAGES=$(realpath ../../"$packages_folder") EYE_BASE=$debian_cache/base.bookworm \
            EYE_BUILD=$(realpath ../../build/package) EYE_NPM=$(realpath ../../build)/npm EYE_NOT_LIVE=$reason \
            /usr/bin/python3 -m unittest -v test_documents test_debian test_others test_image test_chart)
    remark_skips "$work/output"
}

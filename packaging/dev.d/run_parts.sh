# shellcheck shell=bash disable=SC2034,SC2154 # they share their variables
# SPDX-License-Identifier: Apache-2.0
# Runs parts one after the other, times them, and says at the end what became of each.
skipped_code=77
# Of a part that failed, repeated at the end: who sees only the end of a log sees why.
last_words=60

# skip REASON, within a part: it cannot be tried here.
skip() {
    echo "$*" >"$work/remark"
    exit "$skipped_code"
}

# remark TEXT, within a part: something of it cannot be tried here.
remark() {
    echo "$*" >>"$work/remark"
}

# run_parts PART...
run_parts() {
    local part preset
    failed=0 skipped=0 results=() ok=true
    work=$(mktemp -d)
    trap 'rm -rf "$work"; hand_back' EXIT
    use_git_as_it_is "$work/gitconfig"
    export PYTHONDONTWRITEBYTECODE=1
    # shellcheck disable=SC2046 # words of it are meant
    step install need $(packages_of "$@")
    if $ok; then
        for part in "$@"; do
            run_part "$part"
        done
    fi
    summary
    [ "$failed" -eq 0 ]
}

# packages_of PART...: live tests are skipped unless root runs them.
packages_of() {
    local part list
    echo "${build_packages[@]}" "${unit_packages[@]}"
    for part in "$@"; do
        list="$(part_column "$part" 4)_packages[@]"
        if [ "$list" = "live_packages[@]" ] && ! is_root; then
            continue
        fi
        [ "$list" = "-_packages[@]" ] || echo "${!list}"
    done
}

# Whether a part may begin: EYE_TEST_UNTIL, where it is set, is the second (of the epoch) for the last.
is_time_left() {
    [ -z "${EYE_TEST_UNTIL:-}" ] || [ "$EPOCHSECONDS" -lt "$EYE_TEST_UNTIL" ]
}

# run_part PART: its preset is built first, once.
run_part() {
    local preset
    if ! is_time_left; then
        record "$1" 0 "skipped: no time was left for it (EYE_TEST_UNTIL)"
        skipped=$((skipped + 1))
        return
    fi
    preset=$(part_column "$1" 3)
    if [ "$preset" != - ]; then
        [ -e "$work/$preset" ] || step "build $preset" build_once "$preset"
        if [ "$(cat "$work/$preset")" != built ]; then
            record "$1" 0 "FAILED, not run: the preset $preset does not build"
            failed=$((failed + 1))
            return
        fi
    fi
    say "$1: $(part_title "$1")"
    step "$1" "part_$1"
}

build_once() {
    echo failed >"$work/$1"
    build "$1"
    echo built >"$work/$1"
}

# step NAME FUNCTION [ARGUMENTS]...: never fails; $ok says whether the function did.
step() {
    local name=$1 start=$SECONDS code
    shift
    : >"$work/remark"
    # Not in a condition: there, "set -e" would not count inside.
    set +e
    (set -e && "$@") 2>&1 | tee "$work/output"
    code=${PIPESTATUS[0]}
    set -e
    ok=true
    case "$code" in
    0) record "$name" $((SECONDS - start)) "ok$(remarked ', ')" ;;
    "$skipped_code") record "$name" $((SECONDS - start)) "skipped$(remarked ': ')" ;;
    *)
        record "$name" $((SECONDS - start)) "FAILED"
        tail -n "$last_words" "$work/output" >"$work/failed.$name"
        failed=$((failed + 1)) ok=false
        ;;
    esac
    if [ -s "$work/remark" ]; then
        skipped=$((skipped + 1))
    fi
}

# remarked SEPARATOR
remarked() {
    if [ -s "$work/remark" ]; then
        printf '%s%s' "$1" "$(paste -sd ';' "$work/remark")"
    fi
}

# record NAME SECONDS RESULT
record() {
    results+=("$(printf '%-14s %5d s  %s' "$1" "$2" "$3")")
}

summary() {
    local line log
    for log in "$work"/failed.*; do
        [ -e "$log" ] || continue
        echo "== ${log##*/failed.} FAILED; its last $last_words lines:"
        cat "$log"
    done
    echo
    for line in "${results[@]}"; do
        if [ -t 1 ] && [[ $line = *FAILED* ]]; then
            printf '\033[1;31m%s\033[0m\n' "$line"
        else
            echo "$line"
        fi
    done
    printf '%-14s %5d s  %d failed, %d skipped\n' all "$SECONDS" "$failed" "$skipped"
}

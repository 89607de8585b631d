# Sourced by script/test and script/test-slow: runs named parts made of steps,
# goes on past failures, and prints one table of minutes at the end.
#
# A part is a function whose name starts with `part_`; inside it each `step NAME COMMAND…`
# is run, logged and counted. A step that prints a summary of tests (nextest, cargo test,
# `N passed, N failed`, or a last JSON line with "passed" and "failed") counts these tests;
# any other step counts as one.

logs="${CARGO_TARGET_DIR:-target}/test-logs"
rm -rf "$logs"
mkdir -p "$logs"

total_passed=0
total_failed=0
verbose=no
rows=()
failed_steps=()

# Says how many tests a log reports, as "passed failed"; "0 0" when it reports none.
counts_in_log() {
    awk '
        /tests? run:/ {                                    # nextest
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
                if ($i ~ /^timed/)  failed += $(i - 1)
            }
        }
        /^test result:/ {                                  # cargo test
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed;/) passed += $(i - 1)
                if ($i ~ /^failed;/) failed += $(i - 1)
            }
        }
        /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
        /^\{.*"passed": *[0-9]+.*\}$/ {                    # cargo xtask bench and its like
            line = $0; sub(/.*"passed": */, "", line); passed += line + 0
            line = $0; if (sub(/.*"failed": */, "", line)) failed += line + 0
        }
        END { print passed + 0, failed + 0 }
    ' "$1"
}

# step NAME COMMAND…: run, log, count, go on.
step() {
    local name="$1" log status=0 begin=$SECONDS counted passed failed
    shift
    log="$logs/$(printf '%s-%s' "$part_name" "$name" | tr -c 'a-zA-Z0-9\n' '-').log"
    if [ "$verbose" = yes ]; then
        "$@" 2>&1 </dev/null | tee "$log" || status=$?
    else
        "$@" >"$log" 2>&1 </dev/null || status=$?
    fi
    counted="$(counts_in_log "$log")"
    passed="${counted% *}" failed="${counted#* }"
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    if [ "$status" = 0 ] && [ "$failed" != 0 ]; then status=1; fi
    if [ "$passed" = 0 ] && [ "$failed" = 0 ]; then passed=1; fi
    part_passed=$((part_passed + passed))
    part_failed=$((part_failed + failed))
    if [ "$status" = 0 ]; then
        echo "  ok      $name ($passed, $((SECONDS - begin)) s)"
    else
        echo "  FAILED  $name ($failed failed, exit $status, $((SECONDS - begin)) s); the end of $log:"
        tail -n 60 "$log" | sed 's/^/          /'
        failed_steps+=("$part_name: $name")
    fi
}

# part NAME SHARE_MINUTES FUNCTION: one line in the table.
part() {
    local begin=$SECONDS minutes
    part_name="$1" part_passed=0 part_failed=0
    wanted "$part_name" || return 0
    echo "$part_name"
    "$3"
    if [ $((part_passed + part_failed)) = 0 ]; then
        echo "  nothing to run yet"
    fi
    minutes="$(awk -v s=$((SECONDS - begin)) 'BEGIN { printf "%.1f", s / 60 }')"
    rows+=("$(printf '%-34s %8s %8s %8s %8s' "$part_name" "$minutes" "$2" "$part_passed" "$part_failed")")
    total_passed=$((total_passed + part_passed))
    total_failed=$((total_failed + part_failed))
}

# Without names every part is wanted; with names, the parts whose name starts with one of them.
wanted() {
    [ ${#only[@]} = 0 ] && return 0
    local prefix
    for prefix in "${only[@]}"; do case "$1" in "$prefix"*) return 0 ;; esac; done
    return 1
}

# Reads the options that both scripts share.
read_options() {
    only=()
    while [ $# -gt 0 ]; do
        case "$1" in
            -v | --verbose) verbose=yes ;;
            -h | --help) sed -n '2,/^set -/p' "$0" | sed -n 's/^# \{0,1\}//p'; exit 0 ;;
            -*) echo "$0: unknown option $1 (try --help)" >&2; exit 2 ;;
            *) only+=("$1") ;;
        esac
        shift
    done
}

finish() {
    if [ ${#rows[@]} = 0 ]; then
        echo "$0: no part has a name that starts with: ${only[*]}" >&2
        exit 2
    fi
    echo
    printf '%-34s %8s %8s %8s %8s\n' part minutes share passed failed
    printf '%s\n' "${rows[@]}"
    printf '%-34s %8s\n' total "$(awk -v s=$SECONDS 'BEGIN { printf "%.1f", s / 60 }')"
    if [ ${#failed_steps[@]} -gt 0 ]; then
        echo
        echo "failed steps:"
        printf '  %s\n' "${failed_steps[@]}"
    fi
    echo
    echo "$total_passed passed, $total_failed failed"
    [ "$total_failed" = 0 ]
}

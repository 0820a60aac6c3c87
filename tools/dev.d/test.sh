# "tools/dev test": every check and every test, counted.
# Logs are shown only of what failed. Only sourced by tools/dev.

PASSED=0
FAILED=0
declare -A STARTED=()

show_log() { sed 's/^/  | /' "$1"; }

# A check is a command that counts as one. Starts one beside what follows, in a process group of
# its own, so that all of it can be stopped.
start_check() { # NAME COMMAND...
  local name=$1
  shift
  set -m
  ("$@") >"$LOGS/${name// /-}.log" 2>&1 </dev/null &
  set +m
  STARTED[$name]="$! $SECONDS"
}

# Waits for it. Returns its success.
finish_check() { # NAME
  local name=$1 pid start failed=no
  read -r pid start <<<"${STARTED[$name]}"
  if wait "$pid"; then
    PASSED=$((PASSED + 1))
    echo "ok      $name ($((SECONDS - start)) s)"
  else
    FAILED=$((FAILED + 1))
    show_log "$LOGS/${name// /-}.log"
    echo "FAILED  $name ($((SECONDS - start)) s)"
    failed=yes
  fi
  unset "STARTED[$name]"
  [ "$failed" = no ]
}

run_check() { # NAME COMMAND...
  start_check "$@"
  finish_check "$1"
}

# Leaves the processor to whatever else wants it.
gently() { # COMMAND...
  renice -n 19 "$BASHPID" >/dev/null
  "$@"
}

stop_checks() {
  local started
  for started in "${STARTED[@]}"; do kill -- "-${started% *}" 2>/dev/null || true; done
}

# meson tests of one build directory, each of which counts. The arguments choose suites.
run_suites() { # BUILD LABEL ARGUMENT...
  local build=$1 label=$2 start=$SECONDS
  shift 2
  local dir=$ROOT/build/$build log=$LOGS/$build-$label.log json passed failed rc=0
  json=$dir/meson-logs/$label.json
  local prefix=(env)
  # Mounting needs root; without a way to it the mount tests skip, which counts as failed.
  if [ "$label" = mount ] && [ "$(id -u)" -ne 0 ] && sudo -n true 2>/dev/null; then
    prefix=(sudo -n env)
  fi
  # A daemon in the background has nobody who reads its standard error.
  local reports=$REPORTS/$build-$label.report
  "${prefix[@]}" rm -f "$json" "$reports".*
  "${prefix[@]}" \
    ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:log_path='$reports'" \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-19 \
    meson test -C "$dir" --logbase "$label" --print-errorlogs "$@" >"$log" 2>&1 </dev/null || rc=$?
  if [ ! -f "$json" ]; then
    if [ "$rc" -ne 0 ]; then
      FAILED=$((FAILED + 1))
      show_log "$log"
      echo "FAILED  $build: the $label tests could not be run"
    fi
    return 0
  fi
  local report
  for report in "$reports".*; do
    [ -e "$report" ] || continue
    FAILED=$((FAILED + 1))
    show_log "$report"
    echo "FAILED  $build: a process of the $label tests was reported"
  done
  local count=(python3 "$PIECES/count.py" "$json")
  [ "$label" = mount ] && count+=(--skipped-fails)
  read -r passed failed < <("${count[@]}") || { passed=0 failed=1; }
  PASSED=$((PASSED + passed))
  FAILED=$((FAILED + failed))
  if [ "$failed" -ne 0 ] || [ "$rc" -ne 0 ]; then
    [ "$failed" -eq 0 ] && FAILED=$((FAILED + 1))
    show_log "$log"
    echo "FAILED  $build: $label, $passed passed, $failed failed ($((SECONDS - start)) s)"
  else
    echo "ok      $build: $label, $passed passed ($((SECONDS - start)) s)"
  fi
}

compile() { # NAME gcc|clang OPTION...
  configure "$@" && ninja -C "$ROOT/build/$1"
}

run_tests() { # [--quick]
  local quick=no
  case ${1:-} in
    "") ;;
    --quick) quick=yes ;;
    *) die "test knows no option '$1'; see tools/dev --help" ;;
  esac
  need_packages build test
  need_fuse3
  LOGS=$ROOT/build/test-logs
  mkdir -p "$LOGS"
  # Daemons of every user write here, also where the checkout lets in only its owner.
  REPORTS=$(mktemp -d /tmp/holtfs-reports.XXXXXX)
  trap 'stop_checks; rm -rf "$REPORTS"' EXIT
  chmod 1777 "$REPORTS"

  # Tests of a mount wait more than they compute: what only computes goes on beside them.
  local clang_build="clang build with thread-safety analysis"
  run_check "clang-format" check_format || true
  run_check "shellcheck" check_shell || true
  if run_check "release build" compile release gcc "${RELEASE_OPTIONS[@]}"; then
    run_suites release unit --no-suite mount
    if [ "$quick" = no ]; then
      start_check "$clang_build" gently compile asan clang "${ASAN_OPTIONS_MESON[@]}"
    fi
    run_suites release mount --suite mount
  elif [ "$quick" = no ]; then
    start_check "$clang_build" compile asan clang "${ASAN_OPTIONS_MESON[@]}"
  fi
  if [ "$quick" = no ]; then
    if finish_check "$clang_build"; then
      run_suites asan unit --suite engine --suite fs --timeout-multiplier 4
      start_check "clang-tidy" gently check_tidy "$ROOT/build/asan"
      run_suites asan mount --suite mount --timeout-multiplier 4
      finish_check "clang-tidy" || true
    fi
    # meson test compiles what the engine's tests need, and nothing else of the tree.
    if run_check "thread sanitizer configuration" configure tsan clang "${TSAN_OPTIONS_MESON[@]}"
    then
      run_suites tsan unit --suite engine --timeout-multiplier 10
    fi
  fi
  echo "$PASSED passed, $FAILED failed"
  [ "$FAILED" -eq 0 ]
}

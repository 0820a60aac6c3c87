# "tools/dev test": every check and every test, counted.
# Logs are shown only of what failed. Only sourced by tools/dev.

PASSED=0
FAILED=0

show_log() { sed 's/^/  | /' "$1"; }

# One check: a command that counts as one. Returns its success.
run_check() { # NAME COMMAND...
  local name=$1 log start=$SECONDS
  shift
  log=$LOGS/${name// /-}.log
  if ("$@") >"$log" 2>&1 </dev/null; then
    PASSED=$((PASSED + 1))
    echo "ok      $name ($((SECONDS - start)) s)"
  else
    FAILED=$((FAILED + 1))
    show_log "$log"
    echo "FAILED  $name ($((SECONDS - start)) s)"
    return 1
  fi
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
  trap 'rm -rf "$REPORTS"' EXIT
  chmod 1777 "$REPORTS"

  run_check "clang-format" check_format || true
  run_check "shellcheck" check_shell || true
  if run_check "release build" compile release gcc "${RELEASE_OPTIONS[@]}"; then
    run_suites release unit --no-suite mount
    run_suites release mount --suite mount
  fi
  if [ "$quick" = no ]; then
    if run_check "clang build with thread-safety analysis" \
      compile asan clang "${ASAN_OPTIONS_MESON[@]}"; then
      run_suites asan unit --suite engine --suite fs --timeout-multiplier 4
      run_suites asan mount --suite mount --timeout-multiplier 4
      run_check "clang-tidy" check_tidy "$ROOT/build/asan" || true
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

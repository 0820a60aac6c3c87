# Checks that are not meson tests: formatting, clang-tidy, shellcheck.
# Each prints its findings and returns nonzero when there are some. Only sourced by tools/dev.

# The files of the tree that match, tracked or about to be, separated by NUL.
tree_files() { # PATTERN...
  git -c "safe.directory=*" -C "$ROOT" ls-files -z --cached --others --exclude-standard "$@" |
    while IFS= read -r -d '' file; do
      # A file removed but not yet staged is still listed.
      [ -f "$ROOT/$file" ] && printf '%s\0' "$ROOT/$file"
    done
  return 0
}

check_format() {
  local findings
  findings=$(tree_files '*.cc' '*.h' | xargs -0 -r clang-format-19 --dry-run 2>&1) || return 1
  [ -z "$findings" ] && return
  printf '%s\n' "$findings" | sed -n "s|^$ROOT/||; s|: warning: code should.*||p" |
    awk -F: '!seen[$1]++ { print $1 ":" $2 ": is not formatted" }'
  echo "tools/dev format rewrites these files."
  return 1
}

format_tree() {
  tree_files '*.cc' '*.h' | xargs -0 -r clang-format-19 -i
}

check_shell() {
  # SC2154, SC2034: pieces of tools/dev use each other's variables.
  tree_files 'tools/dev' 'tools/dev.d/*.sh' '*.sh' '.ci/run' |
    xargs -0 -r shellcheck --shell=bash --exclude=SC2154,SC2034
}

# The tests are left out: Boost.Test's macros take most of the time and all of the false findings.
check_tidy() { # BUILD_DIRECTORY
  python3 - "$1/compile_commands.json" "$ROOT" <<'PYTHON' |
import json, os, sys
database, root = sys.argv[1:]
files = set()
for entry in json.load(open(database)):
    path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
    if os.path.relpath(path, root).split(os.sep)[0] in ("engine", "fs", "tools"):
        files.add(path)
sys.stdout.write("".join(path + "\0" for path in sorted(files)))
PYTHON
    xargs -0 -r -n 1 -P "$(nproc)" clang-tidy-19 -p "$1" --quiet
}

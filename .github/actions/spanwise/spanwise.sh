#!/usr/bin/env bash
# The work of the action, so that it can be run, and is tested, without GitHub: `spanwise.sh key|install|run`.
# Inputs come in variables (action.yml), never inside of the text of a script: they may hold anything.
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

# What is installed, in a word: the version, or all that it would be built from, and the features beside the default ones.
key() {
    local key=${VERSION:-} hash=(sha256sum)
    if [[ -z $key ]]; then
        # macOS has the other one.
        command -v sha256sum >/dev/null || hash=(shasum -a 256)
        key=$(cd "$checkout" && find Cargo.toml Cargo.lock harness proto services fixtures -type f -print0 |
            LC_ALL=C sort -z | xargs -0 "${hash[@]}" | "${hash[@]}" | cut -c 1-32)
    fi
    output key "$key${FEATURES:+-${FEATURES//[^a-z0-9]/-}}"
    output root "$RUNNER_TEMP/spanwise-install"
}

install() {
    local what=(--path "$checkout/harness/spanwise")
    if [[ -n ${VERSION:-} ]]; then
        what=(--version "$VERSION" spanwise)
    fi
    # A toolchain that the user's repository pins is for his code.
    cd "$checkout"
    cargo install --locked --root "$ROOT" --features "${FEATURES:-}" "${what[@]}"
}

# The words of a text, with quotes read as a shell reads them and nothing expanded; fails where a quote is not closed.
words=()
split() {
    local file=$RUNNER_TEMP/spanwise-words
    words=()
    if [[ -n ${1//[[:space:]]/} ]]; then
        # By way of a file: what fails behind `< <(…)` fails unseen.
        printf '%s' "$1" | xargs printf '%s\0' >"$file" || return
        while IFS= read -r -d '' word; do words+=("$word"); done <"$file"
    fi
}

# The lines of a text that are not empty.
lines=()
read_lines() {
    lines=()
    while IFS= read -r line; do
        if [[ -n $line ]]; then lines+=("$line"); fi
    done <<<"$1"
}

# The files that a pattern finds, which may hold spaces; the pattern itself where it finds none.
found=()
expand() {
    local IFS=''
    # Expanded on purpose, and not split.
    # shellcheck disable=SC2206
    found=($1)
}

# Never fails by what spanwise says: the reports are kept first.
run() {
    local folder=$RUNNER_TEMP/spanwise command=() reports=() wrong="" exit_code=0
    # One job may use the action several times.
    rm -rf "$folder"
    mkdir -p "$folder"
    reports=(--json "$folder/report.json" --junit "$folder/junit.xml" --markdown "$folder/summary.md")
    if [[ ${SUMMARY:-true} == true ]]; then
        reports+=(--annotations)
    fi
    if [[ -n ${MERGE:-} ]]; then
        command=(merge)
        read_lines "$MERGE"
        for pattern in "${lines[@]}"; do
            expand "$pattern"
            for report in "${found[@]}"; do
                if [[ ! -e $report ]]; then wrong="no report is found by the input merge: $pattern"; fi
            done
            command+=("${found[@]}")
        done
    else
        command=(run)
        read_lines "${SUITE:-}"
        command+=(${lines[@]+"${lines[@]}"})
        split "${ARGS:-}" || wrong="the input args has a quote that is not closed: $ARGS"
        command+=(${words[@]+"${words[@]}"})
        if [[ ${RECORD:-false} == true ]]; then
            command+=(--record "$folder/recording")
        fi
    fi
    if [[ -n $wrong ]]; then
        printf '::error title=spanwise::%s\n' "${wrong//$'\n'/ }"
        exit_code=2
    else
        "$BINARY" "${command[@]}" "${reports[@]}" || exit_code=$?
    fi
    if [[ ${SUMMARY:-true} == true ]]; then
        if [[ -s $folder/summary.md ]]; then
            cat "$folder/summary.md" >>"$GITHUB_STEP_SUMMARY"
        else
            printf '## spanwise\n\nIt ended with code %s and without a report; the log says why.\n' \
                "$exit_code" >>"$GITHUB_STEP_SUMMARY"
        fi
    fi
    output exit-code "$exit_code"
    output folder "$folder"
    output report "$folder/report.json"
}

case ${1:-} in
key | install | run) "$1" ;;
*)
    printf 'usage: spanwise.sh key|install|run\n' >&2
    exit 2
    ;;
esac

#!/usr/bin/env bash
# The work of the action, so that it can be run, and is tested, without GitHub: `spanwise.sh key|install|run`.
# Inputs come in variables (action.yml), never inside of the text of a script: they may hold anything.
set -euo pipefail

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

# What is installed, in a word: the version, or all that it would be built from.
key() {
    local key=${VERSION:-} hash=(sha256sum)
    if [[ -z $key ]]; then
        # macOS has the other one.
        command -v sha256sum >/dev/null || hash=(shasum -a 256)
        key=$(cd "$checkout" && find Cargo.toml Cargo.lock harness proto services fixtures -type f -print0 |
            LC_ALL=C sort -z | xargs -0 "${hash[@]}" | "${hash[@]}" | cut -c 1-32)
    fi
    output key "$key"
    output root "$RUNNER_TEMP/spanwise-install"
}

install() {
    if [[ -n ${VERSION:-} ]]; then
        cargo install --locked --root "$ROOT" --version "$VERSION" spanwise
    else
        cargo install --locked --root "$ROOT" --path "$checkout/harness/spanwise"
    fi
}

# The words of a text, with quotes read as a shell reads them and nothing expanded.
words=()
split() {
    words=()
    if [[ -n ${1//[[:space:]]/} ]]; then
        while IFS= read -r -d '' word; do words+=("$word"); done < <(printf '%s' "$1" | xargs printf '%s\0')
    fi
}

# Never fails by what spanwise says: the reports are kept first.
run() {
    local folder=$RUNNER_TEMP/spanwise command=() reports=() exit_code=0
    # One job may use the action several times.
    rm -rf "$folder"
    mkdir -p "$folder"
    reports=(--json "$folder/report.json" --junit "$folder/junit.xml" --markdown "$folder/summary.md")
    if [[ ${SUMMARY:-true} == true ]]; then
        reports+=(--annotations)
    fi
    if [[ -n ${MERGE:-} ]]; then
        shopt -s nullglob
        # Split and expanded on purpose: it is a pattern.
        # shellcheck disable=SC2206
        command=(merge $MERGE)
        shopt -u nullglob
    else
        command=(run)
        while IFS= read -r suite; do
            if [[ -n $suite ]]; then command+=("$suite"); fi
        done <<<"${SUITE:-}"
        split "${ARGS:-}"
        command+=(${words[@]+"${words[@]}"})
        if [[ ${RECORD:-false} == true ]]; then
            command+=(--record "$folder/recording")
        fi
    fi
    "$BINARY" "${command[@]}" "${reports[@]}" || exit_code=$?
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

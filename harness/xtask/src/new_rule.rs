//! Writes the skeleton of a rule and registers it: `cargo xtask new-rule linkage parent-not-exported`.
//!
//! The skeleton compiles; its tests fail until the examples and the check are real.

use std::fs;
use std::path::Path;

const RULES: &str = "harness/check/src/rules";

/// Writes `rules/<family>/<rule>.rs` and the two lines in the family's `mod.rs`.
pub(crate) fn write(root: &Path, family: &str, name: &str) -> Result<(), String> {
    let is_kebab = |text: &str| {
        !text.is_empty()
            && text.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
    };
    if !is_kebab(name) {
        return Err(format!(
            "{name:?} is no name for a rule: words in lower case joined by `-`, such as parent-not-exported"
        ));
    }
    let folder = root.join(RULES).join(family);
    let registry = folder.join("mod.rs");
    let listed = fs::read_to_string(&registry)
        .map_err(|error| format!("there is no family {family:?} ({}: {error})", registry.display()))?;
    let module = name.replace('-', "_");
    let file = folder.join(format!("{module}.rs"));
    if file.exists() {
        return Err(format!("{} exists already", file.display()));
    }
    let registered = register(&listed, &module).ok_or_else(|| {
        format!("{}: found no `mod` line and no end of `ALL` to put the rule behind", registry.display())
    })?;
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    fs::write(&file, skeleton(family, name)).map_err(failed)?;
    fs::write(&registry, registered).map_err(failed)?;
    println!("wrote {}; now make it true: examples, check, snapshot", file.display());
    Ok(())
}

/// Adds the module behind the last private `mod` line and the rule at the end of `ALL`.
fn register(listed: &str, module: &str) -> Option<String> {
    let last_mod = listed.lines().rfind(|line| line.starts_with("mod ") && line.ends_with(';'))?;
    let with_mod = listed.replacen(last_mod, &format!("{last_mod}\nmod {module};"), 1);
    let list = with_mod.find("static ALL")?;
    let end = list + with_mod[list..].find("];")?;
    let before = with_mod[..end].trim_end();
    let comma = if before.ends_with(',') || before.ends_with('[') { "" } else { "," };
    Some(format!("{before}{comma}\n    &{module}::RULE,\n{}", &with_mod[end..]))
}

fn skeleton(family: &str, name: &str) -> String {
    let variant = family[..1].to_uppercase() + &family[1..];
    // The version of today, as text: the rule keeps it when the workspace moves on.
    let since = env!("CARGO_PKG_VERSION");
    format!(
        r####"//! What is wrong, in one sentence.

use spanwise_model::{{Evidence, Level}};

use crate::{{Check, Family, Findings, Index, Profile, Rule}};

pub(crate) static RULE: Rule = Rule {{
    name: "{name}",
    family: Family::{variant},
    level: Level::Violation,
    profile: Profile::Otel,
    since: "{since}",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

## Why it matters

## Bad

```trace
```

## Good

```trace
```

## How to fix

- Rust:
- Python:
- Go:
- Node:
- Java:

## References

"#,
    check: Check::One(check),
}};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {{
    for _node in index.nodes() {{
        findings.looked();
    }}
}}
"####
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_registered_behind_the_others() {
        let listed = "//! A family.\n\nmod a_b;\n\npub(crate) static ALL: &[&Rule] = &[&a_b::RULE];\n";
        let registered = register(listed, "c_d").expect("it can be registered");
        assert!(registered.contains("mod a_b;\nmod c_d;\n"), "{registered}");
        assert!(registered.contains("&[&a_b::RULE,\n    &c_d::RULE,\n];"), "{registered}");
    }

    #[test]
    fn a_rule_keeps_the_version_in_which_it_came() {
        let skeleton = skeleton("linkage", "x-y");
        let since = format!("    since: \"{}\",\n", env!("CARGO_PKG_VERSION"));
        assert!(skeleton.contains(&since), "{skeleton}");
        assert!(!skeleton.contains("env!"), "{skeleton}");
    }

    #[test]
    fn every_family_of_today_can_take_another_rule() {
        let root = crate::tree::root();
        for family in [
            "linkage",
            "propagation",
            "labels",
            "status",
            "time",
            "export",
            "logs",
            "platform",
            "expectation",
        ] {
            let listed =
                fs::read_to_string(root.join(RULES).join(family).join("mod.rs")).expect("the family's list");
            assert!(register(&listed, "x_y").is_some(), "{family}");
        }
    }
}

//! What can be called of the gRPC services that `.proto` files describe: the first method of each that is no stream, with a
//! message for it. A reader of the few words that this takes, not of the language.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A method and a message for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// `package.Service/Method`.
    pub(super) method: String,
    pub(super) message: Value,
    /// The file that describes it.
    pub(super) file: String,
    /// Whether that file imports others than those of Protocol Buffers themselves, for which folders may have to be named.
    pub(super) has_imports: bool,
}

impl Call {
    /// The name of the gRPC service, without its package.
    pub(super) fn service(&self) -> &str {
        let service = self.method.split('/').next().unwrap_or_default();
        service.rsplit('.').next().unwrap_or_default()
    }
}

/// The calls of all files, one a gRPC service.
pub(super) fn calls<'f>(files: impl Iterator<Item = (&'f String, &'f String)>) -> Vec<Call> {
    let files: Vec<(&String, &String, Vec<String>)> =
        files.map(|(path, text)| (path, text, tokens(text))).collect();
    let messages: BTreeMap<String, Value> = files.iter().flat_map(|(.., tokens)| messages(tokens)).collect();
    let calls = |(path, text, tokens): &(&String, &String, Vec<String>)| {
        let has_imports = text.lines().any(|line| {
            let import = line.trim().strip_prefix("import ");
            import.is_some_and(|import| !import.contains("\"google/protobuf/"))
        });
        let calls = services(path, tokens, &messages);
        calls.into_iter().map(|call| Call { has_imports, ..call }).collect::<Vec<_>>()
    };
    files.iter().flat_map(calls).collect()
}

/// Words and signs, without comments.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            rest[1..].find('"').map_or(rest.len(), |end| end + 2)
        } else {
            let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len()).max(first.len_utf8());
            if !first.is_whitespace() {
                tokens.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The messages at the top of a file, each with a value for its plain fields.
fn messages(tokens: &[String]) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at + 2 < tokens.len() {
        if tokens[at] != "message" || tokens[at + 2] != "{" {
            at += 1;
            continue;
        }
        let name = tokens[at + 1].clone();
        let end = block(tokens, at + 2);
        found.push((name, message(&tokens[at + 3..end])));
        at = end;
    }
    found
}

/// A value for the fields of a message that are text, numbers or booleans; no other is needed for a first call.
fn message(body: &[String]) -> Value {
    let mut fields = Map::new();
    let mut depth = 0;
    for (at, word) in body.iter().enumerate() {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "=" if depth == 0 && at >= 2 => {
                let is_repeated = at >= 3 && body[at - 3] == "repeated";
                let (kind, name) = (&body[at - 2], &body[at - 1]);
                let value = match kind.as_str() {
                    "string" => json!(name),
                    "bool" => json!(true),
                    "int32" | "int64" | "uint32" | "uint64" | "sint32" | "sint64" | "float" | "double" => {
                        json!(1)
                    }
                    _ => continue,
                };
                if !is_repeated {
                    fields.insert(name.clone(), value);
                }
            }
            _ => {}
        }
    }
    Value::Object(fields)
}

fn services(path: &str, tokens: &[String], messages: &BTreeMap<String, Value>) -> Vec<Call> {
    let package = tokens.iter().position(|word| word == "package").and_then(|at| tokens.get(at + 1));
    let prefix = package.map_or(String::new(), |package| format!("{package}."));
    let mut found = Vec::new();
    for at in
        (0..tokens.len().saturating_sub(2)).filter(|at| tokens[*at] == "service" && tokens[at + 2] == "{")
    {
        let body = &tokens[at + 3..block(tokens, at + 2)];
        // rpc NAME ( REQUEST ) returns ( ANSWER )
        let unary =
            body.windows(9).find(|words| words[0] == "rpc" && words[3] != "stream" && words[7] != "stream");
        if let Some(words) = unary {
            let request = words[3].rsplit('.').next().unwrap_or_default();
            found.push(Call {
                method: format!("{prefix}{}/{}", tokens[at + 1], words[1]),
                message: messages.get(request).cloned().unwrap_or_else(|| json!({})),
                file: path.to_owned(),
                has_imports: false,
            });
        }
    }
    found
}

/// The place of the `}` that closes the block which begins here.
fn block(tokens: &[String], begin: usize) -> usize {
    let mut depth = 0;
    for (at, word) in tokens.iter().enumerate().skip(begin) {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Value)]) {
        let (path, text) = ("a.proto".to_owned(), text.to_owned());
        let found = calls([(&path, &text)].into_iter());
        let found: Vec<(&str, Value)> =
            found.iter().map(|call| (call.method.as_str(), call.message.clone())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn methods_and_messages() {
        let greet = "syntax = \"proto3\"; package a.v1; // service Other {\nservice Greeter { rpc Greet(Request) returns (Reply); }\n";
        check(
            &format!(
                "{greet} message Request {{ string name = 1; int32 times = 2; repeated string tags = 3; Inner inner = 4; }}"
            ),
            &[("a.v1.Greeter/Greet", json!({ "name": "name", "times": 1 }))],
        );
        check(greet, &[("a.v1.Greeter/Greet", json!({}))]);
        check(
            "service S { rpc Watch(R) returns (stream R) {} rpc Get(R) returns (R) { option x = 1; } }",
            &[("S/Get", json!({}))],
        );
        check("service S { rpc Put(stream R) returns (R); }", &[]);
        check(
            "message M { message Inner { string x = 1; } bool on = 2; } service S { rpc Do(M) returns (M); }",
            &[("S/Do", json!({ "on": true }))],
        );
        check("service S {", &[]);
        check("", &[]);
    }
}

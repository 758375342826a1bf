//! What a metadata server knows, as a tree of directories and values, and how each is written: as text, as a list of names,
//! as a JSON document. The responder reads it. It knows nothing of HTTP and makes no tokens.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::Instance;

/// What stands at a path.
pub(super) enum Node {
    /// Further nodes, in the order in which they are listed.
    Directory(IndexMap<String, Node>),
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// Several texts.
    List(Vec<String>),
    /// An access token, made when it is asked for.
    AccessToken,
    /// An ID token, made when it is asked for.
    IdToken,
}

/// What an instance of Cloud Run is told, below `/`.
pub(super) fn of(instance: &Instance) -> Node {
    let Instance { project, project_number, region, id, account, .. } = instance;
    let service_account = || {
        directory([
            ("aliases", Node::List(vec!["default".to_owned()])),
            ("email", Node::Text(account.email.clone())),
            ("identity", Node::IdToken),
            ("scopes", Node::List(vec!["https://www.googleapis.com/auth/cloud-platform".to_owned()])),
            ("token", Node::AccessToken),
        ])
    };
    let instance = directory([
        ("attributes", directory([])),
        ("id", Node::Text(id.clone())),
        ("region", Node::Text(format!("projects/{project_number}/regions/{region}"))),
        (
            "service-accounts",
            directory([("default", service_account()), (account.email.as_str(), service_account())]),
        ),
        ("zone", Node::Text(instance.zone())),
    ]);
    let project = directory([
        ("numeric-project-id", Node::Number(*project_number)),
        ("project-id", Node::Text(project.clone())),
    ]);
    let v1 = directory([("instance", instance), ("project", project)]);
    directory([("computeMetadata", directory([("v1", v1)]))])
}

fn directory<const N: usize>(nodes: [(&str, Node); N]) -> Node {
    Node::Directory(nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect())
}

impl Node {
    /// What stands at a path, which begins with a slash; a slash at its end does not matter.
    pub(super) fn at(&self, path: &str) -> Option<&Node> {
        if path == "/" {
            return Some(self);
        }
        // An account may be asked for with its `@` as it is or encoded.
        let path = path.strip_prefix('/')?.replace("%40", "@");
        let path = path.strip_suffix('/').unwrap_or(&path);
        path.split('/').try_fold(self, |node, name| match node {
            Node::Directory(nodes) => nodes.get(name),
            _ => None,
        })
    }

    /// The node as text: a value by itself, a list and the names of a directory one a line. Empty for what is made when
    /// it is asked for.
    pub(super) fn text(&self) -> String {
        let lines = |lines: &mut dyn Iterator<Item = String>| lines.map(|line| line + "\n").collect();
        match self {
            Node::Directory(nodes) => lines(&mut nodes.iter().map(|(name, node)| match node {
                Node::Directory(_) => format!("{name}/"),
                _ => name.clone(),
            })),
            Node::Text(text) => text.clone(),
            Node::Number(number) => number.to_string(),
            Node::List(texts) => lines(&mut texts.iter().cloned()),
            Node::AccessToken | Node::IdToken => String::new(),
        }
    }

    /// The node as JSON with all that is below it; names as JSON has them (`projectId`). `None` for what is made when it is
    /// asked for, which no document contains.
    pub(super) fn json(&self) -> Option<Value> {
        Some(match self {
            Node::Directory(nodes) => {
                let members = nodes.iter().filter_map(|(name, node)| Some((member(name), node.json()?)));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Node::Text(text) => Value::from(text.as_str()),
            Node::Number(number) => Value::from(*number),
            Node::List(texts) => Value::from(texts.as_slice()),
            Node::AccessToken | Node::IdToken => return None,
        })
    }
}

/// The name of a node as a member of a JSON object. Accounts keep theirs.
fn member(name: &str) -> String {
    if name.contains('@') {
        return name.to_owned();
    }
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut member, word| {
        let mut letters = word.chars();
        member.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        member + letters.as_str()
    })
}

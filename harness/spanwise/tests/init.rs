//! The suites that `spanwise init` writes: one small folder a row, its suite as a snapshot; every one of them can be planned.

use spanwise::init::{Folder, starter};
use spanwise::plan::{SuiteText, plan};

/// Writes the suite of a folder with these files, sees that it can be planned, and compares it with the snapshot.
#[track_caller]
fn check(name: &str, files: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, text).expect("a file");
    }
    let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let made = starter(&Folder { name: name.to_owned(), files });
    // It may name `.proto` files, which are read where it is planned.
    let file = folder.path().join("spanwise.yaml").display().to_string();
    let text = SuiteText { file, text: made.suite.clone() };
    let planned = plan(&[text], &[]).unwrap_or_else(|error| panic!("{error:?}\n{}", made.suite));
    assert!(!planned.plan.permutations.is_empty(), "{}", made.suite);
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name.replace(' ', "-"), made.suite) });
}

const PROTO: &str = "syntax = \"proto3\";\npackage shop.v1;\n\
                     service Stock { rpc Watch(Item) returns (stream Level); rpc Get(Item) returns (Level); }\n\
                     message Item { string name = 1; int32 count = 2; }\nmessage Level { int32 left = 1; }\n";

#[test]
fn python_programs_in_one_folder() {
    check(
        "python-pair",
        &[
            ("api.py", include_str!("../../../fixtures/polyglot/api.py")),
            ("backend.py", include_str!("../../../fixtures/polyglot/backend.py")),
            ("greeter.proto", include_str!("../../../fixtures/polyglot/greeter.proto")),
            ("requirements.txt", include_str!("../../../fixtures/polyglot/requirements.txt")),
        ],
    );
}

#[test]
fn services_of_several_languages_in_folders_of_their_own() {
    let web = "import os\nfrom flask import Flask\napp = Flask(__name__)\nstock = os.environ['STOCK_ADDR']\n\
               orders = os.environ['ORDERS_URL']\nelsewhere = os.environ['WEATHER_URL']\n\
               @app.get('/items/<int:id>')\ndef item(id): ...\n@app.get('/healthz')\ndef health(): ...\n";
    let stock = "package main\nimport (\n\"google.golang.org/grpc\"\n\"google.golang.org/grpc/health\"\n)\n\
                 func main() { os.Getenv(\"PORT\"); s := grpc.NewServer(); pb.RegisterStockServer(s, &server{}) }\n";
    let orders =
        "const app = require('express')()\napp.post('/orders', order)\napp.listen(process.env.PORT)\n";
    let package = r#"{"scripts": {"start": "node index.js"},
                      "dependencies": {"express": "5.0.0", "@opentelemetry/auto-instrumentations-node": "1.0.0"}}"#;
    let service_yaml = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: shop-web\nspec:\n  template:\n    \
                        spec:\n      containers:\n      - image: web\n";
    check(
        "shop",
        &[
            ("web/app.py", web),
            ("web/requirements.txt", "Flask==3.1.0\n"),
            ("web/.venv/pyvenv.cfg", "home = /usr/bin"),
            ("web/service.yaml", service_yaml),
            ("web/Dockerfile", "FROM python:3.13\n"),
            (
                "stock/go.mod",
                "module stock\nrequire go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc v1.40.0\n",
            ),
            ("stock/main.go", stock),
            ("orders/package.json", package),
            ("orders/index.js", orders),
            ("proto/stock.proto", PROTO),
        ],
    );
}

#[test]
fn virtual_machines() {
    let controller = "@RestController class Orders {\n  @GetMapping(\"/orders/{id}\") Order get() {}\n  \
                      String stock = System.getenv(\"STOCK_URL\");\n}\n";
    check(
        "virtual-machines",
        &[
            ("orders/pom.xml", "<parent><artifactId>spring-boot-starter-parent</artifactId></parent>"),
            ("orders/mvnw", "#!/bin/sh"),
            ("orders/src/main/java/Orders.java", controller),
            (
                "stock/build.gradle.kts",
                "dependencies { implementation(\"io.grpc:grpc-netty-shaded:1.80.0\") }",
            ),
            ("stock/src/main/java/Stock.java", "class StockServer extends StockGrpc.StockImplBase {}"),
            ("stock.proto", PROTO),
        ],
    );
}

#[test]
fn rust_programs_and_names_that_mean_something_else() {
    let main = "fn main() { std::env::var(\"PORT\"); Server::builder() }";
    check(
        "My Services",
        &[
            (
                "collector/Cargo.toml",
                "[package]\nname = \"x\"\n[dependencies]\ntonic = \"0.14\"\ntonic-health = \"0.14\"\n",
            ),
            ("collector/src/main.rs", main),
            (
                "a/web/Cargo.toml",
                "[package]\nname = \"web\"\n[dependencies]\naxum = \"0.8\"\nopentelemetry = \"0.33\"\n",
            ),
            (
                "a/web/src/main.rs",
                "fn main() { Router::new().route(\"/items/{id}\", get(item)).route(\"/items\", axum::routing::get(all)) }",
            ),
            ("b/web/Cargo.toml", "[package]\nname = \"web\"\n[dependencies]\nactix-web = \"4\"\n"),
            ("b/web/src/main.rs", "#[get(\"/\")] async fn home() {}\nfn main() {}"),
            ("steps/Cargo.toml", "[package]\nname = \"steps\"\n[dependencies]\naxum = \"0.8\"\n"),
            ("steps/src/main.rs", "fn main() {}"),
            ("Cargo.toml", "[workspace]\nmembers = [\"a/web\", \"b/web\", \"collector\"]\n"),
        ],
    );
}

#[test]
fn what_only_a_dockerfile_says() {
    let dockerfile = "FROM ruby:3.4\nENV PORT=3000\nEXPOSE 3000/tcp\nCMD [\"bundle\", \"exec\", \"rackup\", \"-p\", \"3000\"]\n";
    check("ruby", &[("Dockerfile", dockerfile)]);
}

#[test]
fn programs_that_are_made_before_they_start() {
    let routes = "const app = express();\napp.use('/api', router);\nrouter.get('/items', items);\napp.listen(process.env.PORT);\n";
    let package = r#"{"scripts": {"build": "tsc", "start": "node dist/server.js"}, "dependencies": {"@opentelemetry/api": "1.9.0"}}"#;
    let quarkus = "<project><dependency><groupId>io.quarkus</groupId></dependency><opentelemetry/></project>";
    check(
        "made-first",
        &[
            ("web/package.json", package),
            ("web/server.ts", routes),
            ("web/Dockerfile", "FROM node:24\nCMD [\"node\", \"dist/server.js\"]\n"),
            (
                "pom.xml",
                "<project><packaging>pom</packaging><modules><module>stock</module></modules></project>",
            ),
            ("stock/pom.xml", quarkus),
            ("stock/src/main/java/com/example/Stock.java", "class Stock {}"),
            ("old/go.mod", "module old\nrequire go.opentelemetry.io/otel v1.40.0\n"),
            (
                "old/main.go",
                "package main\nfunc main() { http.HandleFunc(\"/pages/\", page); serve(os.Getenv(\"PORT\")) }\n",
            ),
            ("docs/package.json", r#"{"scripts": {"dev": "vite"}}"#),
        ],
    );
}

#[test]
fn applications_that_a_function_makes_and_programs_beside_each_other() {
    check(
        "factories",
        &[
            (
                "api/src/shop/main.py",
                "from fastapi import FastAPI\n\ndef create_app():\n    app = FastAPI()\n    return app\n",
            ),
            ("api/pyproject.toml", "[project]\ndependencies = ['fastapi', 'opentelemetry-distro']\n"),
            ("api/package.json", r#"{"main": "tailwind.js"}"#),
            ("site/src/site/app.py", "app = Flask(__name__)\n@app.route('/')\ndef home(): ...\n"),
            ("site/requirements.txt", "flask\nopentelemetry-distro\n"),
            ("tools/Cargo.toml", "[package]\nname = \"tools\"\n[dependencies]\nopentelemetry = \"0.33\"\n"),
            ("tools/src/main.rs", "fn main() { env::var(\"PORT\"); }"),
            ("tools/src/bin/report.rs", "fn main() { env::var(\"PORT\"); }"),
        ],
    );
}

#[test]
fn names_that_yaml_takes_for_something_else_and_services_that_call_each_other() {
    let program = |other: &str| format!("app = FastAPI()\nother = os.environ[\"{other}\"]\n");
    let packages = "fastapi\nopentelemetry-distro\n";
    check(
        "2048",
        &[
            ("2048/main.py", &program("TRUE_URL")),
            ("2048/requirements.txt", packages),
            ("orders/main.py", &program("TRUE_URL")),
            ("orders/requirements.txt", packages),
            ("true/main.py", &program("ORDERS_URL")),
            ("true/requirements.txt", packages),
        ],
    );
}

#[test]
fn a_folder_that_says_nothing() {
    check("nothing", &[]);
}

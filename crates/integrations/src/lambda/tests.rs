use crate::config::LambdaConfig;

use super::*;

const TABLE: &str = r#"
[createOrder]
runtime = "python3"
handler = "orders.create_order"
code = "."
"#;

fn lambda(tables: &str) -> Result<Lambda, ConfigError> {
    let functions: LambdaConfig = toml::from_str(tables).expect("good tables");
    let base_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Lambda::new(IntegrationsConfig { functions, base_folder, ..IntegrationsConfig::default() })
}

#[test]
fn what_is_not_said_has_lambdas_defaults() {
    let LambdaConfig(functions) = toml::from_str(TABLE).expect("a good table");
    let function = &functions["createOrder"];
    assert_eq!((function.timeout_seconds, function.concurrency, function.memory_mb), (3, 10, 128));
    assert!(function.environment.is_empty());
    assert!(lambda(TABLE).is_ok());
}

#[test]
fn misspelled_key_is_named() {
    let error = toml::from_str::<LambdaConfig>(&format!("{TABLE}\ntimeout = 3")).expect_err("no such key").to_string();
    assert!(error.contains("unknown field `timeout`") && error.contains("timeout_seconds"), "{error}");
}

#[test]
fn what_cannot_work_is_refused_by_table_and_key() {
    let cases = [
        (TABLE.replace("createOrder", "\"arn:aws:lambda:eu-west-1:123456789012:function:createOrder\""), "is no function name"),
        (TABLE.replace("createOrder", "\"createOrder:prod\""), "is no function name"),
        (format!("{TABLE}timeout_seconds = 901"), "timeout_seconds = 901 is out of bounds: 1 to 900"),
        (format!("{TABLE}concurrency = 0"), "concurrency = 0 is out of bounds: 1 to 1000"),
        (format!("{TABLE}environment = {{ _HANDLER = \"x\" }}"), "environment: _HANDLER is set by the runtime"),
        (TABLE.replace("orders.create_order", "orders"), "handler = \"orders\" names no function"),
        (TABLE.replace("\".\"", "\"nowhere\""), "code: no folder at"),
        (TABLE.replace("\"python3\"", "\"nodejs20.x\""), "runtime = \"nodejs20.x\" is not supported yet"),
        (TABLE.replace("\"python3\"", "\"python2.7\""), "runtime = \"python2.7\" is not supported yet"),
        (TABLE.replace("\"python3\"", "\"python3.99\""), "no such interpreter; looked for python3.99, python3, python"),
    ];
    for (tables, message) in cases {
        let error = lambda(&tables).err().expect(message).to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.starts_with("[lambda."), "{error}");
    }
}

#[test]
fn trace_id_has_lambdas_form() {
    let trace_id = trace_id("0e6ab5d2-7f4f-4c6e-9f0f-2f3a9c1d8b77");
    let (root, rest) = trace_id.split_once(';').expect("parts");
    assert_eq!(root.len(), "Root=1-".len() + 8 + 1 + 24);
    assert!(root.ends_with("-0e6ab5d27f4f4c6e9f0f2f3a"), "{root}");
    assert_eq!(rest, "Parent=0e6ab5d27f4f4c6e;Sampled=0");
}

#[tokio::test]
async fn process_that_rested_long_enough_is_ended() {
    let table = TABLE.replace("orders.create_order", "orders.count").replace("\".\"", "\"tests/lambda/functions\"");
    let lambda = lambda(&format!("{table}init_timeout_seconds = 120\ntimeout_seconds = 60")).expect("a good table");
    let function = &lambda.functions["createOrder"];
    let call = async || {
        let invocation = Invocation {
            request_id: "r".to_owned(),
            event: Bytes::from_static(b"{}"),
            function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:createOrder".to_owned(),
            trace_id: "Root=1-0-0".to_owned(),
            client_context: None,
            timeout: Duration::ZERO,
        };
        match function.invoke(invocation).await {
            Ended::Succeeded(payload) => serde_json::from_slice::<serde_json::Value>(&payload).expect("JSON")["calls"].clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(call().await, 1);
    function.retire_idle(Duration::from_secs(3_600));
    assert_eq!(call().await, 2);
    function.retire_idle(Duration::ZERO);
    assert_eq!(call().await, 1);
    lambda.shut_down().await;
}

use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (name.parse::<axum::http::HeaderName>().expect("a header name"), value.parse().expect("a header value"))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(parse) {
        headers.append(name, value);
    }
    headers
}

fn config(allowed_hosts: &[&str]) -> Config {
    Config { allowed_hosts: allowed_hosts.iter().map(ToString::to_string).collect(), ..Config::default() }
}

fn is_served(fields: &[(&str, &str)], allowed_hosts: &[&str]) -> bool {
    check_host(&headers(fields), &Uri::from_static("/"), &config(allowed_hosts)).is_ok()
}

#[test]
fn loopback_and_aws_hosts_are_served() {
    let hosts = [
        "localhost",
        "LOCALHOST:8083",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:8083",
        "sync-localhost:8083",
        "sync-127.0.0.1:8083",
        "states.eu-central-1.amazonaws.com",
        "sync-states.us-east-1.amazonaws.com",
        "states.cn-north-1.amazonaws.com.cn",
        "states.us-east-1.api.aws",
    ];
    for host in hosts {
        assert!(is_served(&[("host", host)], &[]), "{host}");
    }
}

#[test]
fn other_hosts_are_refused_by_name_of_the_setting() {
    let hosts = [
        "",
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1",
        "[fe80::1]",
        "[::1",
        "amazonaws.com.evil.example",
        "evilamazonaws.com",
        "sync-evil.example",
        "sync-sync-localhost",
        "evil@localhost",
        "0.0.0.0",
    ];
    for host in hosts {
        let error = check_host(&headers(&[("host", host)]), &Uri::from_static("/"), &config(&[])).expect_err(host);
        assert_eq!(error.status, StatusCode::FORBIDDEN);
        assert!(error.message.contains("server.allowed_hosts") && error.message.contains("--allow-host"), "{}", error.message);
    }
    assert!(!is_served(&[], &[]), "no host");
    assert!(!is_served(&[("host", "localhost"), ("host", "localhost")], &[]), "two hosts");
}

#[test]
fn an_absolute_target_counts_more_than_the_header() {
    let target = Uri::from_static("http://evil.example/");
    assert!(check_host(&headers(&[("host", "localhost")]), &target, &config(&[])).is_err());
}

#[test]
fn configured_hosts_are_served() {
    assert!(is_served(&[("host", "skald:8083")], &["Skald"]));
    assert!(is_served(&[("host", "sync-skald")], &["skald"]));
    assert!(is_served(&[("host", "a.dev.example")], &["*.dev.example"]));
    assert!(!is_served(&[("host", "dev.example")], &["*.dev.example"]));
    assert!(is_served(&[("host", "anything")], &["*"]));
}

#[test]
fn foreign_origins_are_refused() {
    let served = |origin, allowed: &[&str]| is_served(&[("host", "localhost:8083"), ("origin", origin)], allowed);
    assert!(served("http://localhost:8083", &[]), "the same origin");
    assert!(served("https://console.example", &["console.example"]));
    for origin in ["null", "", "http://evil.example", "http://localhost:3000", "http://states.us-east-1.amazonaws.com"] {
        assert!(!served(origin, &[]), "{origin}");
    }
    let two = [("host", "localhost:8083"), ("origin", "http://localhost:8083"), ("origin", "http://evil.example")];
    assert!(!is_served(&two, &[]));
}

#[test]
fn the_signatures_scope_tells_region_and_account() {
    let mut config = Config::default();
    config.accounts.insert("AKIDEXAMPLE".to_owned(), "111111111111".to_owned());
    let call = |authorization: &str| caller(&headers(&[("authorization", authorization)]), &config);
    let signed = |key: &str, region: &str| {
        format!("AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/states/aws4_request, SignedHeaders=host, Signature=00")
    };
    let known = call(&signed("AKIDEXAMPLE", "eu-central-1")).expect("a caller");
    assert_eq!((known.scope.account.as_str(), known.scope.region.as_str()), ("111111111111", "eu-central-1"));
    assert_eq!(known.access_key.as_deref(), Some("AKIDEXAMPLE"));
    let other = call(&signed("any/key", "cn-north-1")).expect("a caller");
    assert_eq!((other.scope.account.as_str(), other.scope.partition.as_str()), ("123456789012", "aws-cn"));
    let unsigned = caller(&HeaderMap::new(), &config).expect("a caller");
    assert_eq!((unsigned.scope.region.as_str(), unsigned.access_key), ("us-east-1", None));
    for bad in ["Bearer x", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a/b", &signed("", "us-east-1"), &signed("a", "us:east")] {
        assert_eq!(call(bad).expect_err(bad).kind, "IncompleteSignature");
    }
}

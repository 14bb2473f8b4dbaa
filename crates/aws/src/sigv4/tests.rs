use serde_json::Value;

use super::*;

/// Each vector is what botocore sent for the request it describes.
#[test]
fn signatures_are_those_of_botocore() {
    let data: Value = serde_json::from_str(include_str!("../../tests/data/sigv4_vectors.json")).expect("the data file is JSON");
    for vector in data["vectors"].as_array().expect("a list") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let credentials = Credentials {
            access_key_id: text(&data["access_key_id"]),
            secret_access_key: text(&data["secret_access_key"]),
            session_token: vector["session_token"].as_str().map(str::to_owned),
        };
        let headers: Vec<(String, String)> =
            vector["headers"].as_object().expect("an object").iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (method, path, query) = (text(&vector["method"]), text(&vector["path"]), text(&vector["query"]));
        let (service, region) = (text(&vector["service"]), text(&vector["region"]));
        let request = Request {
            method: &method,
            path: &path,
            query: &query,
            headers: &headers,
            body: vector["body"].as_str().expect("a body").as_bytes(),
        };
        let signer = Signer::new(credentials, &service, &region);
        let at_seconds = vector["at_seconds"].as_u64().expect("an instant");
        // A key of another day is no key of this one.
        signer.sign(&request, at_seconds + 86_400);
        let added = signer.sign(&request, at_seconds);
        assert_eq!(added, signer.sign(&request, at_seconds), "with a key that is kept");
        let added = |name: &str| added.iter().find(|(added, _)| *added == name).map(|(_, value)| value.as_str());
        assert_eq!(added("x-amz-date"), vector["x_amz_date"].as_str(), "{}", vector["title"]);
        assert_eq!(added("x-amz-security-token"), vector["session_token"].as_str(), "{}", vector["title"]);
        assert_eq!(added("authorization"), vector["authorization"].as_str(), "{}", vector["title"]);
    }
}

#[test]
fn percent_encoding_leaves_only_unreserved_characters() {
    let mut encoded = "/".to_owned();
    push_encoded(&mut encoded, "a-b.c_d~e/f:g é");
    assert_eq!(encoded, "/a-b.c_d~e%2Ff%3Ag%20%C3%A9");
}

#[test]
fn secrets_stay_out_of_debug_output() {
    let credentials =
        Credentials { access_key_id: "AKID".to_owned(), secret_access_key: "hidden".to_owned(), session_token: Some("hidden".to_owned()) };
    assert!(!format!("{credentials:?}").contains("hidden"));
}

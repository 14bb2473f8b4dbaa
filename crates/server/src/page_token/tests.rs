use super::*;

const NOW: i64 = 1_700_000_000_000;

fn scope(account: &str) -> Scope {
    Scope { partition: "aws".to_owned(), account: account.to_owned(), region: "us-east-1".to_owned() }
}

#[test]
fn a_token_leads_back_to_its_cursor() {
    let query = Query::new(List::Executions, &scope("1"), &["arn", "RUNNING"]);
    for cursor in [b"".as_slice(), b"\0\xff", b"a longer cursor with any bytes"] {
        let token = query.issue(cursor, NOW);
        assert_eq!(query.accept(&token, NOW + LIFETIME_MILLIS - 1).expect("a token"), cursor);
        assert_eq!(query.accept(&token, NOW - 5_000).expect("a clock that stepped back"), cursor);
    }
}

#[test]
fn tokens_of_others_are_refused() {
    let token = Query::new(List::Executions, &scope("1"), &["arn", "RUNNING"]).issue(b"cursor", NOW);
    let others = [
        Query::new(List::History, &scope("1"), &["arn", "RUNNING"]),
        Query::new(List::Executions, &scope("2"), &["arn", "RUNNING"]),
        Query::new(List::Executions, &scope("1"), &["arn", ""]),
        Query::new(List::Executions, &scope("1"), &["arnRUNNING", ""]),
    ];
    for other in others {
        assert_eq!(other.accept(&token, NOW).expect_err("another list").message, "Invalid Token: 'Invalid token'");
    }
}

#[test]
fn garbled_and_old_tokens_are_refused() {
    let query = Query::new(List::StateMachines, &scope("1"), &[]);
    let token = query.issue(b"cursor", NOW);
    assert!(query.accept(&token, NOW + LIFETIME_MILLIS).is_err());
    for garbled in ["", "InvalidToken", "=", "ä", &token[1..], &token[..token.len() - 1], &format!("{token}A")] {
        assert_eq!(query.accept(garbled, NOW).expect_err("garbled").kind, "InvalidToken", "{garbled}");
    }
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(query.accept(&changed, NOW).is_err(), "{index}");
    }
}

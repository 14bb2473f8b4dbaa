use std::collections::BTreeMap;

use super::*;

const FILE: &str = "
# two profiles
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key=secret/with=signs
; a comment = here
[work]
AWS_ACCESS_KEY_ID = AKIDWORK
aws_secret_access_key = hush
aws_session_token = token
[half]
aws_access_key_id = AKIDHALF
";

fn find_in(variables: &[(&str, &str)]) -> Option<Credentials> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    find(&|name| variables.get(name).map(|value| (*value).to_owned()))
}

fn credentials(id: &str, secret: &str, token: Option<&str>) -> Option<Credentials> {
    Some(Credentials { access_key_id: id.to_owned(), secret_access_key: secret.to_owned(), session_token: token.map(str::to_owned) })
}

#[test]
fn environment_goes_before_profiles() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join(".aws")).expect("an empty folder");
    std::fs::write(folder.path().join(".aws/credentials"), FILE).expect("a writable folder");
    let home = ("HOME", folder.path().to_str().expect("text"));

    let default = credentials("AKIDDEFAULT", "secret/with=signs", None);
    assert_eq!(find_in(&[home]), default);
    assert_eq!(find_in(&[home, ("AWS_PROFILE", "work")]), credentials("AKIDWORK", "hush", Some("token")));
    assert_eq!(find_in(&[home, ("AWS_PROFILE", "half")]), None);
    assert_eq!(find_in(&[home, ("AWS_PROFILE", "absent")]), None);

    let (id, secret) = (("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "s"));
    assert_eq!(find_in(&[home, id, secret]), credentials("AKIDENV", "s", None));
    assert_eq!(find_in(&[home, id, ("AWS_SECRET_ACCESS_KEY", "")]), default);
    assert_eq!(find_in(&[]), None);
}

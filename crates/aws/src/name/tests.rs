use super::*;

#[test]
fn names_of_letters_of_any_script_pass() {
    for name in ["a", "order-1_2.3@x=y(z)!+'", "bestellung-größe", "注文", &"x".repeat(80)] {
        assert_eq!(check(name), Ok(()), "{name}");
    }
}

#[test]
fn forbidden_characters_are_named() {
    // SOURCE: Step Functions API reference; the recorded `CreateActivity` refusals are all among these.
    for character in " \t\u{a0}\u{3000}<>{}[]?*\"#%\\^|~`$&,;:/\u{0}\u{1f}\u{7f}\u{9f}\u{fffe}\u{ffff}".chars() {
        assert_eq!(check(&format!("activity{character}name")), Err(NameError::Character(character)));
    }
}

#[test]
fn length_counts_as_java_counts() {
    assert_eq!(check(""), Err(NameError::Length));
    assert_eq!(check(&"x".repeat(81)), Err(NameError::Length));
    assert_eq!(check(&"😀".repeat(40)), Ok(()));
    assert_eq!(check(&"😀".repeat(41)), Err(NameError::Length));
}

#[test]
fn an_alias_is_never_a_number() {
    for alias in ["prod", "v1", "1.0", "-", "_"] {
        assert!(is_alias(alias), "{alias}");
    }
    for no_alias in ["", "7", "a b", "a:b", "größe", &"x".repeat(81)] {
        assert!(!is_alias(no_alias), "{no_alias}");
    }
}

//! Names of keys, and the bytes that a terminal sends for them.

/// Returns the bytes for a key name: `Enter`, `Esc`, `F12`, `C-End`, `C-x` for Ctrl and a letter, `M-x`
/// for Alt and a character.
pub(super) fn sequence(name: &str) -> String {
    let named = match name {
        "Enter" => "\r",
        "Esc" => "\x1b",
        "Tab" => "\t",
        "F12" => "\x1b[24~",
        "C-End" => "\x1b[1;5F",
        "C-Home" => "\x1b[1;5H",
        _ => "",
    };
    match (named, name.split_at_checked(2)) {
        ("", Some(("C-", letter))) if letter.len() == 1 => {
            char::from(letter.as_bytes()[0] & 0x1f).to_string()
        }
        ("", Some(("M-", character))) => format!("\x1b{character}"),
        ("", _) => panic!("there is no key {name:?}"),
        (named, _) => named.to_owned(),
    }
}

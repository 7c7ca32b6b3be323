//! The input under arbitrary edits: the text stays bounded, and the cursor in its area.

use proptest::prelude::*;
use ratatui::crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::model::{Name, RoomName};

const NONE: KeyModifiers = KeyModifiers::NONE;
const CTRL: KeyModifiers = KeyModifiers::CONTROL;
const ALT: KeyModifiers = KeyModifiers::ALT;

fn composer(text: &str) -> Composer {
    let mut composer = Composer::new(Vec::new());
    composer.set(text);
    composer
}

fn press(composer: &mut Composer, code: KeyCode, held: KeyModifiers) {
    composer.on_key(KeyEvent::new(code, held));
}

fn type_text(composer: &mut Composer, text: &str) {
    text.chars().for_each(|c| press(composer, KeyCode::Char(c), NONE));
}

/// The text after the keys, with the cursor shown as `|`. It is at the end before.
fn edited(text: &str, keys: &[(KeyCode, KeyModifiers)]) -> String {
    let mut composer = composer(text);
    for (code, held) in keys {
        press(&mut composer, *code, *held);
    }
    with_cursor(&mut composer)
}

fn with_cursor(composer: &mut Composer) -> String {
    composer.area.insert_char('|');
    let text = composer.text();
    composer.area.delete_char();
    text
}

fn drawn(composer: &mut Composer, width: u16, height: u16) -> (Vec<String>, Position) {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    composer.arrange(width, height);
    let cursor = composer.draw(area, &mut buffer, &Theme::plain(), "say something").unwrap();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    ((0..height).map(|y| row(y).trim_end().to_owned()).collect(), cursor)
}

#[test]
fn editing_keys_work_as_in_readline() {
    use KeyCode::{Backspace, Char, Delete, Home, Left, Right};
    for (text, keys, after) in [
        ("one two", &[(Char('a'), CTRL)][..], "|one two"),
        ("one two", &[(Home, NONE), (Char('e'), CTRL)], "one two|"),
        ("one two", &[(Char('b'), CTRL)], "one tw|o"),
        ("one two", &[(Char('b'), ALT)], "one |two"),
        ("one, two", &[(Left, CTRL), (Left, CTRL)], "|one, two"),
        ("one two", &[(Home, NONE), (Char('f'), ALT)], "one| two"),
        ("one two", &[(Home, NONE), (Right, CTRL), (Right, CTRL)], "one two|"),
        ("a.b two.c", &[(Char('w'), CTRL)], "a.b |"),
        ("a.b two.c", &[(Backspace, ALT)], "a.b two.|"),
        ("one two", &[(Left, NONE), (Char('u'), CTRL)], "|o"),
        ("one two", &[(Home, NONE), (Right, NONE), (Char('k'), CTRL)], "o|"),
        ("one two", &[(Home, NONE), (Char('d'), ALT)], "| two"),
        ("one two", &[(Char('w'), CTRL), (Home, NONE), (Char('y'), CTRL)], "two|one "),
        ("one two", &[(Char('u'), CTRL), (Backspace, NONE), (Char('y'), CTRL)], "one two|"),
        ("ab", &[(Char('t'), CTRL)], "ba|"),
        ("abc", &[(Home, NONE), (Right, NONE), (Char('t'), CTRL)], "ba|c"),
        ("one two", &[(Char('w'), CTRL), (Char('7'), CTRL)], "one two|"),
        ("one two", &[(Char('h'), CTRL), (Backspace, NONE)], "one t|"),
        ("one", &[(Home, NONE), (Delete, NONE), (Char('d'), CTRL)], "|e"),
        ("a\nb", &[(Home, NONE), (Backspace, NONE)], "a|b"),
        ("a\nb", &[(Home, NONE), (Left, NONE), (Char('k'), CTRL)], "a|b"),
        ("a\nb", &[(Home, NONE), (Left, NONE), (Right, NONE), (Right, NONE)], "a\nb|"),
        ("a", &[(Delete, NONE), (Char('k'), CTRL), (Char('d'), ALT)], "a|"),
        ("a", &[(Home, NONE), (Backspace, NONE), (Char('w'), CTRL), (Char('u'), CTRL)], "|a"),
        ("a", &[(Char('x'), CTRL), (Char('v'), ALT), (KeyCode::F(7), NONE)], "a|"),
    ] {
        assert_eq!(edited(text, keys), after, "{text:?} {keys:?}");
    }
}

#[test]
fn a_grapheme_is_edited_as_one_character() {
    use KeyCode::{Backspace, Left};
    for cluster in ["e\u{301}", "👩‍👩‍👧", "🇨🇭", "❤\u{fe0f}", "日"] {
        let text = format!("a{cluster}");
        assert_eq!(edited(&text, &[(Backspace, NONE)]), "a|");
        assert_eq!(edited(&text, &[(Left, NONE)]), format!("a|{cluster}"));
        let (_, cursor) = drawn(&mut composer(&text), 20, 1);
        let width = if cluster.starts_with('e') { 1 } else { 2 };
        assert_eq!(cursor, Position::new(1 + width, 0), "{cluster}");
    }
}

#[test]
fn lines_break_at_blanks_and_long_words_anywhere() {
    let shown = |text: &str, width| drawn(&mut composer(text), width, 4).0;
    assert_eq!(shown("one two three", 9), ["one two", "three", "", ""]);
    assert_eq!(shown("one two three", 8), ["one two", "three", "", ""]);
    assert_eq!(shown("0123456789", 5), ["0123", "4567", "89", ""]);
    assert_eq!(shown("日本語日本語", 6), ["日 本", "語 日", "本 語", ""]);
    let mut composer = composer("one two three\nfour");
    let sizes = [(9, 10), (9, 2), (80, 10)];
    assert_eq!(sizes.map(|(width, most)| composer.arrange(width, most)), [3, 2, 2]);
    assert_eq!(self::composer("").arrange(80, 10), 1);
}

#[test]
fn the_cursor_is_always_visible_where_the_next_character_goes() {
    let at = |text: &str, width, height| drawn(&mut composer(text), width, height).1;
    assert_eq!(at("", 10, 1), Position::new(0, 0));
    assert_eq!(at("abc", 10, 1), Position::new(3, 0));
    assert_eq!(at("日本", 10, 1), Position::new(4, 0));
    assert_eq!(at("one two", 8, 3), Position::new(7, 0));
    assert_eq!(at("one two ", 8, 3), Position::new(0, 1));
    assert_eq!(at("one two t", 8, 3), Position::new(1, 1));
    assert_eq!(at("a\nb\nc\nd", 8, 2), Position::new(1, 1), "the last rows are shown");
    assert_eq!(at("abc", 1, 1), Position::new(0, 0));
}

#[test]
fn an_empty_input_shows_the_placeholder() {
    assert_eq!(drawn(&mut composer(""), 20, 1).0, ["say something"]);
    assert_eq!(drawn(&mut composer("x"), 20, 1).0, ["x"]);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 5, 5));
    let nowhere = Rect::new(0, 0, 0, 3);
    assert_eq!(composer("x").draw(nowhere, &mut buffer, &Theme::plain(), ""), None);
}

#[test]
fn a_paste_keeps_its_lines_and_loses_control_characters() {
    let mut composer = composer("");
    composer.paste("def f():\r\n\treturn 1\rend\n");
    assert_eq!(composer.submit(None).as_deref(), Some("def f():\n    return 1\nend\n"));
    composer.paste("\x1b[31mred\u{202e}\u{200b}\u{7}");
    assert_eq!(composer.text(), "[31mred");
    assert_eq!(composer.note.as_deref(), Some("left out 4 invisible characters"));
    let (rows, _) = drawn(&mut composer, 60, 2);
    assert_eq!(rows[1], "left out 4 invisible characters");
    assert_eq!(composer.arrange(60, 5), 2);
    type_text(&mut composer, "!");
    assert_eq!((composer.text().as_str(), composer.note.as_deref()), ("[31mred!", None));
    type_text(&mut composer, "\u{200b}");
    assert_eq!(composer.text(), "[31mred!");
}

#[test]
fn hostile_clusters_stay_in_their_cells() {
    let heap = format!("a{}b", "\u{301}".repeat(500));
    let chain = "👩\u{200d}".repeat(100);
    for text in [heap, chain, "\u{1100}".repeat(100), "\u{301}".repeat(50)] {
        let mut composer = composer(&text);
        assert_eq!(composer.text(), text);
        composer.arrange(20, 20);
        let area = Rect::new(0, 0, 20, 20);
        let mut buffer = Buffer::empty(area);
        composer.draw(area, &mut buffer, &Theme::plain(), "");
        for cell in buffer.content() {
            assert!(cell.symbol().chars().count() <= 10, "{:?}", cell.symbol());
        }
    }
}

#[test]
fn an_insertion_above_the_limit_is_refused_with_a_note() {
    let mut composer = composer(&"x".repeat(MAX_TEXT_BYTES - 1));
    composer.paste("é");
    assert_eq!(composer.text().len(), MAX_TEXT_BYTES - 1);
    assert!(composer.note.as_deref().unwrap().contains("at most 16384 bytes"));
    type_text(&mut composer, "y");
    assert_eq!((composer.text().len(), composer.note.as_deref()), (MAX_TEXT_BYTES, None));
    for refused in ["z", "\n"] {
        composer.paste(refused);
        assert!(composer.note.as_deref().is_some());
    }
    press(&mut composer, KeyCode::Char('w'), CTRL);
    press(&mut composer, KeyCode::Char('y'), CTRL);
    press(&mut composer, KeyCode::Char('y'), CTRL);
    assert_eq!(composer.text().len(), MAX_TEXT_BYTES);
    assert!(composer.note.as_deref().is_some());
}

#[test]
fn history_is_recalled_and_the_draft_restored() {
    let mut composer = Composer::new(vec!["first".into(), "  ".into(), "se\ncond".into()]);
    type_text(&mut composer, "draft");
    assert!(composer.history_up());
    assert_eq!(composer.text(), "se\ncond");
    assert!(composer.history_up(), "a row up in the text");
    assert_eq!(composer.text(), "se\ncond");
    assert!(composer.history_up());
    assert_eq!(composer.text(), "first");
    assert!(!composer.history_up());
    assert!(composer.history_down() && composer.history_down());
    assert_eq!(composer.text(), "draft");
    assert!(!composer.history_down());
    assert_eq!(composer.submit(None).as_deref(), Some("draft"));
    assert!(composer.is_empty() && composer.submit(None).is_none());
    assert!(composer.history_up());
    assert_eq!(composer.text(), "draft");
    composer.submit(None);
    assert!(composer.history_up() && composer.history_up(), "not remembered twice");
    assert_eq!(composer.text(), "se\ncond");
}

#[test]
fn an_edited_history_entry_becomes_the_draft() {
    let mut composer = Composer::new(vec!["older".into(), "old\u{202e}".into()]);
    composer.history_up();
    type_text(&mut composer, "!");
    composer.history_up();
    assert_eq!(composer.text(), "older");
    composer.history_down();
    assert_eq!(composer.text(), "old");
    composer.history_down();
    assert_eq!(composer.text(), "old!");
}

#[test]
fn up_and_down_move_by_visible_rows() {
    let mut composer = Composer::new(vec!["old".into()]);
    composer.set("one two three");
    drawn(&mut composer, 8, 3);
    assert!(composer.history_up());
    assert_eq!(with_cursor(&mut composer), "one t|wo three");
    assert!(composer.history_down());
    assert_eq!(with_cursor(&mut composer), "one two three|");
    assert!(!composer.history_down());
    assert!(composer.history_up() && composer.history_up());
    assert_eq!(composer.text(), "old");
}

#[test]
fn clearing_can_be_undone_but_sending_cannot() {
    let mut composer = composer("");
    composer.paste("much\nwork");
    composer.clear();
    assert!(composer.is_empty());
    press(&mut composer, KeyCode::Char('_'), CTRL);
    assert_eq!(composer.text(), "much\nwork");
    composer.submit(None);
    press(&mut composer, KeyCode::Char('_'), CTRL);
    assert!(composer.is_empty());
}

#[test]
fn completions_cycle_in_both_directions() {
    let names: Vec<Name> = ["alice", "alan", "bob"].map(|name| Name::parse(name).unwrap()).into();
    let candidates = Candidates { names: &names, rooms: &[RoomName::lobby()] };
    let mut composer = composer("al");
    let menu = composer.complete(&candidates, false).unwrap();
    assert_eq!((menu.completions.len(), menu.selected), (2, Some(0)));
    assert_eq!(composer.text(), "alice: ");
    assert_eq!(composer.complete(&candidates, false).unwrap().selected, Some(1));
    assert_eq!(composer.text(), "alan: ");
    assert_eq!(composer.complete(&candidates, false).unwrap().selected, None);
    assert_eq!(composer.text(), "al");
    composer.complete(&candidates, true);
    assert_eq!(composer.text(), "alan: ");
    assert!(composer.cancel_completion() && !composer.cancel_completion());
    assert_eq!((composer.text().as_str(), composer.menu()), ("al", None));

    composer.complete(&candidates, false);
    type_text(&mut composer, "b");
    assert_eq!(composer.menu(), None, "what is typed ends it");
    assert_eq!(composer.complete(&candidates, false), None, "one thing is no choice");
    assert_eq!(composer.text(), "alice: bob ");
    composer.set("/join x");
    assert_eq!(composer.complete(&candidates, false), None);
    assert_eq!(composer.text(), "/join x");
    composer.set("/join l");
    composer.complete(&candidates, false);
    assert_eq!(composer.text(), "/join lobby ");
}

#[derive(Debug, Clone)]
enum Edit {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Complete(bool),
    Up,
    Down,
    Submit,
    Clear,
    Cancel,
    NewLine,
    Draw(u16, u16),
}

fn edits() -> impl Strategy<Value = Edit> {
    let held = prop::sample::select(vec![NONE, CTRL, ALT, CTRL | ALT, KeyModifiers::SHIFT]);
    let named = prop::sample::select(vec![
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::Char(' '),
    ]);
    let letters = prop::sample::select(
        "abdefhktuwy_7/@日e\u{301}👩\u{200d}\u{fe0f}\u{202e}\n\t".chars().collect::<Vec<_>>(),
    );
    prop_oneof![
        4 => (letters, held.clone()).prop_map(|(c, held)| Edit::Key(KeyCode::Char(c), held)),
        3 => (named, held).prop_map(|(code, held)| Edit::Key(code, held)),
        1 => any::<char>().prop_map(|c| Edit::Key(KeyCode::Char(c), NONE)),
        2 => "\\PC{0,12}|[ab \\n\\r\\t]{0,40}|(?s).{0,20}".prop_map(Edit::Paste),
        1 => (1..MAX_TEXT_BYTES).prop_map(|length| Edit::Paste("y ".repeat(length / 2))),
        1 => any::<bool>().prop_map(Edit::Complete),
        1 => Just(Edit::Up),
        1 => Just(Edit::Down),
        1 => Just(Edit::Submit),
        1 => Just(Edit::Clear),
        1 => Just(Edit::Cancel),
        1 => Just(Edit::NewLine),
        1 => (0..30_u16, 0..6_u16).prop_map(|(width, height)| Edit::Draw(width, height)),
    ]
}

fn apply(composer: &mut Composer, edit: &Edit, candidates: &Candidates<'_>) {
    match edit {
        Edit::Key(code, held) => press(composer, *code, *held),
        Edit::Paste(text) => composer.paste(text),
        Edit::Complete(back) => drop(composer.complete(candidates, *back)),
        Edit::Up => _ = composer.history_up(),
        Edit::Down => _ = composer.history_down(),
        Edit::Submit => {
            let typed = composer.text();
            assert!(composer.submit(None).is_none_or(|text| text == typed));
        }
        Edit::Clear => composer.clear(),
        Edit::Cancel => _ = composer.cancel_completion(),
        Edit::NewLine => composer.insert_line_break(),
        Edit::Draw(width, height) => {
            let area = Rect::new(3, 2, *width, *height);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 10));
            composer.arrange(*width, *height);
            let cursor = composer.draw(area, &mut buffer, &Theme::plain(), "say something");
            assert_eq!(cursor.is_none(), area.is_empty());
            assert!(cursor.is_none_or(|cursor| area.contains(cursor)), "{cursor:?} in {area:?}");
            for y in 0..10 {
                for x in (0..40).filter(|&x| !area.contains(Position::new(x, y))) {
                    assert_eq!(buffer[(x, y)].symbol(), " ");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_input_stays_valid_under_any_edits(edits in prop::collection::vec(edits(), 1..60)) {
        let names = ["alice", "bob", "日本"].map(|name| Name::parse(name).unwrap());
        let candidates = Candidates { names: &names, rooms: &[RoomName::lobby()] };
        let mut composer = Composer::new(vec!["old\nlines".into(), "\x1b[2J".into()]);
        for edit in &edits {
            apply(&mut composer, edit, &candidates);
            let text = composer.text();
            prop_assert!(text.len() <= MAX_TEXT_BYTES);
            prop_assert!(!text.chars().any(|c| c != '\n' && text::is_dangerous(c)));
            apply(&mut composer, &Edit::Draw(20, 3), &candidates);
            prop_assert_eq!(composer.text(), text);
        }
    }

    #[test]
    fn typed_and_pasted_texts_are_submitted_unchanged(text in "[a-z0-9 éあ👩\\n.,/]{1,200}") {
        let mut pasted = composer("");
        pasted.paste(&text);
        prop_assert_eq!(&pasted.text(), &text);
        let mut typed = composer("");
        for c in text.chars() {
            match c {
                '\n' => typed.insert_line_break(),
                c => press(&mut typed, KeyCode::Char(c), NONE),
            }
        }
        prop_assert_eq!(&typed.text(), &text);
        let sent = typed.submit(None);
        prop_assert_eq!(sent.as_deref(), Some(text.as_str()).filter(|text| !text.trim().is_empty()));
    }
}

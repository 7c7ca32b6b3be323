//! How settings are merged.

use super::*;
use crate::cli::config::Profile;

fn home() -> Home {
    Home::find(Some("/h".into())).unwrap()
}

fn config() -> Config {
    Config {
        default_profile: Profile {
            hub: Some(hub("file:1").unwrap()),
            name: Some(Name::parse("filer").unwrap()),
            rooms: vec![RoomName::parse("file").unwrap()],
            listen: Some("127.0.0.1:11".parse().unwrap()),
            advertise: vec![Endpoint::parse("file:2").unwrap()],
            direct: Some(DirectPolicy::Contacts),
            no_direct: None,
            plaintext: Some(true),
        },
        quiet: true,
        notify: Some(Notify::Bell),
        keywords: vec!["deploy".into()],
        mouse: Some(false),
        no_keep: false,
        theme: Some(ThemeName::Light),
        keys: BTreeMap::from([("quit".into(), vec!["ctrl-q".into()])]),
        at: None,
        missing_at: None,
        hubs: BTreeMap::new(),
    }
}

#[test]
fn defaults_apply() {
    let settings =
        Settings::merge(Flags::default(), Config::default(), home(), || Some("Sova".into()))
            .unwrap();
    assert_eq!(settings.hub.hub.to_string(), "127.0.0.1:50051");
    assert_eq!(settings.name.as_str(), "sova");
    assert_eq!(settings.listen.to_string(), "127.0.0.1:54321");
    assert_eq!(settings.advertise, []);
    assert_eq!((settings.direct, settings.plaintext), (Some(DirectPolicy::Known), false));
    assert_eq!(settings.rooms, [RoomName::lobby()]);
}

#[test]
fn the_file_overrides_defaults() {
    let settings =
        Settings::merge(Flags::default(), config(), home(), || Some("sova".into())).unwrap();
    assert_eq!(settings.hub.hub.to_string(), "file:1");
    assert_eq!(settings.name.as_str(), "filer");
    assert_eq!((settings.direct, settings.plaintext), (Some(DirectPolicy::Contacts), true));
    assert_eq!(settings.listen.port(), 11);
    assert_eq!(settings.advertise[0].to_string(), "file:2");
    assert_eq!(settings.rooms[0].as_str(), "file");
    assert!(settings.quiet && !settings.mouse && settings.notify == Notify::Bell);
    assert_eq!(settings.theme, Some(ThemeName::Light));
    assert_eq!(settings.keys["quit"], ["ctrl-q"]);
}

#[test]
fn the_command_line_overrides_the_file() {
    let flags = Flags {
        hub: Some(hub("chinwag://flag:1?invite=abc").unwrap()),
        direct: Some(DirectPolicy::Anyone),
        no_direct: false,
        plaintext: false,
        name: Some(Name::parse("flagger").unwrap()),
        listen: Some("127.0.0.1:22".parse().unwrap()),
        advertise: vec![Endpoint::parse("flag:2").unwrap()],
        room: ["b", "a", "b"].map(|room| RoomName::parse(room).unwrap()).to_vec(),
        verbose: 2,
        ..Flags::default()
    };
    let settings = Settings::merge(flags, config(), home(), || None).unwrap();
    assert_eq!(settings.hub.hub.to_string(), "flag:1");
    assert_eq!(settings.name.as_str(), "flagger");
    assert_eq!(settings.direct, Some(DirectPolicy::Anyone));
    assert_eq!(settings.hub.invite.unwrap().as_str(), "abc");
    assert_eq!(settings.listen.port(), 22);
    assert_eq!(settings.verbose, 2);
    assert_eq!(settings.advertise[0].to_string(), "flag:2");
    assert_eq!(settings.rooms.iter().map(RoomName::as_str).collect::<Vec<_>>(), ["b", "a"]);
}

#[test]
fn options_for_one_hub_do_not_count_at_another() {
    let dir = tempfile::tempdir().unwrap();
    let file = "listen = 1\n[hubs.work]\nhub = 'work:1'\nname = 'ann'\ndirect = 'contacts'\n\
                [hubs.den]\nhub = 'den:1'\nname = 'eva'\n";
    std::fs::write(dir.path().join("config.toml"), file).unwrap();
    let flags = Flags {
        home: Some(dir.path().to_owned()),
        hub: Some(hub("flag:1").unwrap()),
        name: Some(Name::parse("flagger").unwrap()),
        room: vec![RoomName::parse("flags").unwrap()],
        plaintext: true,
        direct: Some(DirectPolicy::Anyone),
        listen: Some("127.0.0.1:22".parse().unwrap()),
        quiet: true,
        ..Flags::default()
    };
    let mut settings = Settings::load(flags).unwrap();
    for (profile, name, direct) in
        [("work", "ann", DirectPolicy::Contacts), ("den", "eva", DirectPolicy::Anyone)]
    {
        settings = settings.at(&profile.parse().unwrap()).unwrap();
        assert_eq!(settings.hub.hub.to_string(), format!("{profile}:1"));
        assert_eq!(settings.name.as_str(), name);
        assert_eq!(settings.rooms, [RoomName::lobby()]);
        assert!(!settings.plaintext && settings.quiet);
        // What is received is decided by the profile, then by the command line.
        assert_eq!((settings.direct, settings.listen.port()), (Some(direct), 22));
    }
}

#[test]
fn a_loopback_listener_for_a_remote_hub_gets_a_hint() {
    let hint_for = |at: &str, listen: &str, change: fn(&mut Flags)| {
        let (at, listen) = (Some(hub(at).unwrap()), Some(listen.parse().unwrap()));
        let mut flags = Flags { hub: at, listen, ..Flags::default() };
        change(&mut flags);
        let settings = Settings::merge(flags, Config::default(), home(), || Some("sova".into()));
        settings.unwrap().unreachable_hint()
    };
    let hint = hint_for("hub.example:1", "127.0.0.1:7", |_| {}).unwrap();
    assert!(hint.ends_with("start with --listen 0.0.0.0:7 (see chinwag doctor)"), "{hint}");
    let hint = hint_for("192.0.2.1:1", "127.0.0.1:0", |_| {}).unwrap();
    assert!(hint.contains("0.0.0.0:54321 "), "{hint}");
    assert_eq!(hint_for("127.0.0.1:1", "127.0.0.1:7", |_| {}), None);
    assert_eq!(hint_for("localhost:1", "127.0.0.1:7", |_| {}), None);
    assert_eq!(hint_for("hub.example:1", "0.0.0.0:7", |_| {}), None);
    assert_eq!(hint_for("hub.example:1", "127.0.0.1:7", |flags| flags.no_direct = true), None);
    let forwarded = |flags: &mut Flags| {
        flags.advertise = vec![Endpoint::parse("gate.example:7").unwrap()];
    };
    assert_eq!(hint_for("hub.example:1", "127.0.0.1:7", forwarded), None);
}

#[test]
fn a_fingerprint_excludes_plaintext() {
    let key = crate::identity::Identity::generate().unwrap().fingerprint();
    let flags = Flags {
        hub: Some(hub(&format!("chinwag://127.0.0.1:1#{key}")).unwrap()),
        plaintext: true,
        ..Flags::default()
    };
    let result = Settings::merge(flags, Config::default(), home(), || Some("sova".into()));
    assert!(matches!(result, Err(Failure::Usage(message)) if message.contains("--plaintext")));
}

#[test]
fn an_invalid_login_name_is_a_usage_error() {
    for login in [None, Some(""), Some("two words"), Some("-dash")] {
        let result =
            Settings::merge(Flags::default(), Config::default(), home(), || login.map(Into::into));
        let Err(Failure::Usage(message)) = result else { panic!("{login:?} was taken") };
        assert!(message.contains("--name NAME"), "{message}");
    }
}

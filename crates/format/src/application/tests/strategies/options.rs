//! Rules, schedules, scripts, processes, uninstalling.

use application::{
    Availability, Clock, Comparison, Dates, DistributionScript, Launch, PreInstall, ProcessEnd,
    RegistryTest, Removal, Test, Text, Unassociated, Uninstall, When,
};
use jiff::civil::{Date, Time};
use model::Span;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{id, plain, text};
use crate::application::words;

fn how() -> impl Strategy<Value = Comparison> {
    select(vec![
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::GreaterOrEqual,
        Comparison::Greater,
    ])
}

fn test() -> impl Strategy<Value = Test> {
    let key = || Just(Text::new(r"HKLM\Software"));
    let registry = prop_oneof![
        Just(RegistryTest::KeyExists),
        text().prop_map(|name| RegistryTest::ValueExists { name }),
        (text(), how(), plain()).prop_map(|(name, how, data)| RegistryTest::Value {
            name,
            how,
            data
        }),
    ];
    prop_oneof![
        (plain(), how(), plain()).prop_map(|(name, how, value)| Test::Fact { name, how, value }),
        (text(), how(), 0..1u64 << 40).prop_map(|(path, how, megabytes)| Test::DiskFree {
            path,
            how,
            megabytes
        }),
        text().prop_map(|path| Test::FileExists { path }),
        (text(), how(), select(vec!["1", "10.0.3.65535"])).prop_map(|(path, how, version)| {
            Test::FileVersion { path, how, version: version.to_owned() }
        }),
        (text(), how(), select(vec!["2026-11-21", "2026-11-21 13:05"]))
            .prop_map(|(path, how, date)| Test::FileDate { path, how, date: date.to_owned() }),
        (text(), how(), 0..1u64 << 60).prop_map(|(path, how, bytes)| Test::FileSize {
            path,
            how,
            bytes
        }),
        (key(), registry).prop_map(|(key, test)| Test::Registry { key, test }),
        (plain(), how(), plain()).prop_map(|(name, how, value)| Test::Environment {
            name,
            how,
            value
        }),
        (id(), option::of((how(), any::<u16>())))
            .prop_map(|(id, how)| Test::Application { id, how }),
    ]
}

pub(super) fn availability() -> impl Strategy<Value = Availability> {
    test().prop_map(Availability::Is).prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Availability::All),
            vec(inner.clone(), 1..3).prop_map(Availability::Any),
            inner.prop_map(|rule| Availability::Not(Box::new(rule))),
        ]
    })
}

pub(super) fn pre_install() -> impl Strategy<Value = PreInstall> {
    let date = || (1i16..9999, 1i8..13, 1i8..29).prop_map(|(y, m, d)| Date::constant(y, m, d));
    let weekdays = words::WEEKDAYS.map(|(_, day)| day).to_vec();
    let range =
        (date(), date(), subsequence(weekdays, 1..=7)).prop_map(|(one, other, weekdays)| {
            Dates::Range { first: one.min(other), last: one.max(other), weekdays }
        });
    let dates = prop_oneof![vec(date(), 1..4).prop_map(Dates::Days), range];
    let hours = (0i8..12, option::of((12i8..24, 0i8..60)));
    let clock = select(vec![Clock::Local, Clock::Everywhere]);
    let when = (dates, hours, any::<u32>(), clock).prop_map(
        |(dates, (from, until), spread_minutes, clock)| When {
            dates,
            from: Time::constant(from, 7, 0, 0),
            until: until.map(|(hour, minute)| Time::constant(hour, minute, 0, 0)),
            spread_minutes,
            clock,
        },
    );
    prop_oneof![
        Just(PreInstall::No),
        Just(PreInstall::AsSoonAsAssociated),
        when.prop_map(PreInstall::Scheduled),
    ]
}

pub(super) fn ends() -> impl Strategy<Value = Vec<ProcessEnd>> {
    let end =
        prop_oneof![text().prop_map(ProcessEnd::Process), text().prop_map(ProcessEnd::Service)];
    vec(end, 0..3)
}

pub(super) fn script() -> impl Strategy<Value = DistributionScript> {
    let engine = option::of(Just(Text::new("/bin/sh -e")));
    let extension = option::of("\\.[a-z]{1,4}");
    let timeout = option::of(any::<u32>().prop_map(|millis| Span::from_millis(millis.into())));
    (text(), engine, extension, timeout).prop_map(|(text, engine, extension, timeout)| {
        DistributionScript { text, engine, extension, timeout }
    })
}

pub(super) fn launch() -> impl Strategy<Value = Launch> {
    let texts = (text(), option::of(text()), option::of(text()), any::<bool>());
    (texts, option::of(script()), option::of(script())).prop_map(|(texts, before, after)| {
        let (program, arguments, working_folder, once) = texts;
        Launch { program, arguments, working_folder, once, before, after }
    })
}

pub(super) fn uninstall() -> impl Strategy<Value = Uninstall> {
    let removal = || select(vec![Removal::Restore, Removal::Keep]);
    let groups = (removal(), removal(), removal(), removal(), removal());
    (any::<[bool; 3]>(), ends(), groups).prop_map(|([allowed, gone, prompt], end, groups)| {
        let (files, shortcuts, ini, text, registry) = groups;
        let when_unassociated = if gone { Unassociated::Uninstall } else { Unassociated::Keep };
        Uninstall { allowed, when_unassociated, end, prompt, files, shortcuts, ini, text, registry }
    })
}

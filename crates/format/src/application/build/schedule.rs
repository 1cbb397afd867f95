//! When machines get their part ahead of first use (AP-09).

use application::{Clock, Dates, PreInstall, When};
use jiff::civil::{Date, Time, Weekday};

use super::Builder;
use crate::application::code;
use crate::application::given::{Fields, Given, Value};
use crate::application::words::WEEKDAYS;
use crate::problem::{Place, shown};

impl Builder<'_, '_> {
    /// `None` when it is wrong, which is told.
    pub(super) fn pre_install(&mut self, given: Given) -> Option<PreInstall> {
        match given.value {
            Value::Word("no") => Some(PreInstall::No),
            Value::Word(_) => Some(PreInstall::AsSoonAsAssociated),
            Value::Record(fields) if !fields.is_broken => {
                self.when(fields).map(PreInstall::Scheduled)
            }
            _ => None,
        }
    }

    fn when(&mut self, mut fields: Fields) -> Option<When> {
        let place = fields.place;
        let dates = match fields.record.name {
            "days" => self.days(&mut fields),
            _ => self.range(&mut fields),
        };
        let from = self.time(&mut fields, "from");
        let until = self.time(&mut fields, "until");
        let spread_minutes = match fields.span("spread") {
            Some((span, place)) => self.minutes(span, place),
            None => Some(0),
        };
        let clock = match fields.word("clock") {
            "everywhere" => Clock::Everywhere,
            _ => Clock::Local,
        };
        let (dates, from, until) = (dates?, from?.unwrap_or_default(), until?);
        if until == Some(from) {
            let hint = "leave both out for whole days";
            self.error(code::SCHEDULE, place, "it ends when it begins", hint);
        }
        Some(When { dates, from, until, spread_minutes: spread_minutes?, clock })
    }

    fn days(&mut self, fields: &mut Fields) -> Option<Dates> {
        let place = fields.place_of("days");
        let mut days = Vec::new();
        for Given { place, value } in fields.list("days") {
            if let Value::Text(text) = value {
                days.push(self.date(&text, place)?);
            }
        }
        if days.is_empty() {
            self.error(code::SCHEDULE, place, "there is no day", "write `days: [2026-11-21]`");
            return None;
        }
        Some(Dates::Days(days))
    }

    fn range(&mut self, fields: &mut Fields) -> Option<Dates> {
        let last_at = fields.place_of("last");
        let mut date = |name: &str| {
            let place = fields.place_of(name);
            fields.plain(name).and_then(|text| self.date(&text, place))
        };
        let (first, last) = (date("first"), date("last"));
        let mut weekdays: Vec<Weekday> = Vec::new();
        for given in fields.list("weekdays") {
            if let Value::Word(word) = given.value {
                let named = WEEKDAYS.iter().find(|(name, _)| *name == word);
                weekdays.extend(named.map(|(_, day)| *day).filter(|day| !weekdays.contains(day)));
            }
        }
        let (first, last) = (first?, last?);
        if last < first {
            let what = format!("the last day, {last}, is before the first, {first}");
            self.error(code::SCHEDULE, last_at, what, "change one of them");
            return None;
        }
        if weekdays.is_empty() {
            weekdays = WEEKDAYS.iter().map(|(_, day)| *day).collect();
        }
        Some(Dates::Range { first, last, weekdays })
    }

    fn date(&mut self, text: &str, place: Place) -> Option<Date> {
        let date = text.parse().ok().filter(|_| text.len() == 10);
        if date.is_none() {
            let what = format!("`{}` is not a date", shown(text, 40));
            self.error(code::VALUE, place, what, "write it as `2026-11-21`");
        }
        date
    }

    /// The inner `None` is midnight, from which or until which it goes; the outer one is told.
    fn time(&mut self, fields: &mut Fields, name: &str) -> Option<Option<Time>> {
        let place = fields.place_of(name);
        let Some(text) = fields.plain(name) else { return Some(None) };
        if text == "24:00" && name == "until" {
            return Some(None);
        }
        let time = Time::strptime("%H:%M", &text).ok().filter(|_| text.len() == 5);
        if time.is_none() {
            let what = format!("`{}` is not a time", shown(&text, 40));
            let hint = "write it as `07:30`; days begin at `00:00` and end at `24:00`";
            self.error(code::VALUE, place, what, hint);
        }
        time.map(Some)
    }

    fn minutes(&mut self, span: model::Span, place: Place) -> Option<u32> {
        let millis = span.as_millis();
        let whole = millis.is_multiple_of(60_000).then_some(millis / 60_000);
        let minutes = whole.and_then(|minutes| u32::try_from(minutes).ok());
        if minutes.is_none() {
            let hint = "write it as `60m` or `12h`";
            self.error(code::VALUE, place, "a spread is told in whole minutes", hint);
        }
        minutes
    }
}

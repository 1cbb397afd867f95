//! What a machine must be (AP-17).

use application::{Availability, Comparison, RegistryTest, Test};
use jiff::civil::{Date, DateTime};

use super::Builder;
use crate::application::code;
use crate::application::given::{Fields, Given, Value};
use crate::application::words::{self, COMPARISONS};
use crate::problem::Place;

/// A comparison and what is compared with.
struct Compared {
    how: Comparison,
    given: Given,
}

impl Compared {
    fn text(self) -> String {
        match self.given.value {
            Value::Text(text) => text,
            _ => String::new(),
        }
    }

    fn count(&self) -> u64 {
        match self.given.value {
            Value::Count(count) => count,
            _ => 0,
        }
    }
}

impl Builder<'_, '_> {
    /// `None` when it is wrong, which is told.
    pub(super) fn availability(&mut self, mut fields: Fields) -> Option<Availability> {
        match fields.record.name {
            "all" => self.rules(&mut fields, "all").map(Availability::All),
            "any" => self.rules(&mut fields, "any").map(Availability::Any),
            "not" => {
                let rule = fields.record("not")?;
                self.availability(rule).map(|rule| Availability::Not(Box::new(rule)))
            }
            "file_exists_rule" => {
                let path = fields.needed("file_exists");
                Some(Availability::Is(Test::FileExists { path }))
            }
            _ => {
                let compared = self.compared(&mut fields)?;
                self.test(fields, compared).map(Availability::Is)
            }
        }
    }

    fn rules(&mut self, fields: &mut Fields, name: &str) -> Option<Vec<Availability>> {
        let place = fields.place_of(name);
        let rules = fields.records(name);
        if rules.is_empty() {
            let hint = "write at least one rule, or leave it out";
            self.error(code::ITEM, place, format!("`{name}` has no rule"), hint);
            return None;
        }
        let rules: Vec<_> = rules.into_iter().map(|rule| self.availability(rule)).collect();
        rules.into_iter().collect()
    }

    /// The comparison that is written; the outer `None` when there are several, which is told.
    fn compared(&mut self, fields: &mut Fields) -> Option<Option<Compared>> {
        let written: Vec<&str> =
            COMPARISONS.iter().copied().filter(|name| fields.has(name)).collect();
        if let [_, second, ..] = written.as_slice() {
            let place = fields.place_of(second);
            let hint = "write two rules below `all:`";
            self.error(code::ITEM, place, "a rule has one comparison", hint);
            return None;
        }
        let compared = written.first().and_then(|name| {
            Some(Compared { how: words::comparison(name)?, given: fields.take(name)? })
        });
        Some(compared)
    }

    fn test(&mut self, mut fields: Fields, compared: Option<Compared>) -> Option<Test> {
        match (fields.record.name, compared) {
            ("registry_rule", compared) => self.registry_test(&mut fields, compared),
            ("application_rule", compared) => {
                let (id, _) = fields.id("application")?;
                let version = |compared: Compared| {
                    Some((compared.how, u16::try_from(compared.count()).ok()?))
                };
                Some(Test::Application { id, how: compared.and_then(version) })
            }
            (record, Some(compared)) => self.comparison(record, &mut fields, compared),
            (_, None) => None,
        }
    }

    fn comparison(
        &mut self,
        record: &str,
        fields: &mut Fields,
        compared: Compared,
    ) -> Option<Test> {
        let (how, place) = (compared.how, compared.given.place);
        let test = match record {
            "fact_rule" => Test::Fact { name: fields.plain("fact")?, how, value: compared.text() },
            "disk_free_rule" => {
                let path = fields.needed("disk_free");
                Test::DiskFree { path, how, megabytes: compared.count() }
            }
            "file_version_rule" => {
                let (path, version) = (fields.needed("file_version"), compared.text());
                self.version(&version, place)?;
                Test::FileVersion { path, how, version }
            }
            "file_date_rule" => {
                let (path, date) = (fields.needed("file_date"), compared.text());
                self.instant(&date, place)?;
                Test::FileDate { path, how, date }
            }
            "file_size_rule" => {
                let path = fields.needed("file_size");
                Test::FileSize { path, how, bytes: compared.count() }
            }
            _ => {
                let name = fields.plain("environment")?;
                Test::Environment { name, how, value: compared.text() }
            }
        };
        Some(test)
    }

    fn registry_test(&mut self, fields: &mut Fields, compared: Option<Compared>) -> Option<Test> {
        let place = fields.place_of("registry");
        let key = fields.needed("registry");
        self.check_key(key.as_str(), place);
        let test = match (fields.text("value"), compared) {
            (None, None) => RegistryTest::KeyExists,
            (Some(name), None) => RegistryTest::ValueExists { name },
            (Some(name), Some(compared)) => {
                let how = compared.how;
                RegistryTest::Value { name, how, data: compared.text() }
            }
            (None, Some(_)) => {
                let hint = "write `value:` with its name; `''` is the key's default value";
                self.error(code::ITEM, place, "a key has no data to compare", hint);
                return None;
            }
        };
        Some(Test::Registry { key, test })
    }

    fn version(&mut self, text: &str, place: Place) -> Option<()> {
        let is_number = |part: &&str| {
            part.bytes().all(|digit| digit.is_ascii_digit()) && part.parse::<u16>().is_ok()
        };
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() <= 4 && parts.iter().all(is_number) {
            return Some(());
        }
        let hint = "one to four numbers up to 65535: `'5.1.2600.0'`";
        self.error(code::VALUE, place, "this is no version of a file", hint);
        None
    }

    fn instant(&mut self, text: &str, place: Place) -> Option<()> {
        let is_date = text.len() == 10 && text.parse::<Date>().is_ok();
        let is_minute = text.len() == 16 && DateTime::strptime("%Y-%m-%d %H:%M", text).is_ok();
        if is_date || is_minute {
            return Some(());
        }
        let hint = "write it as `2026-11-21` or `2026-11-21 13:00`";
        self.error(code::VALUE, place, "this is not a date", hint);
        None
    }
}

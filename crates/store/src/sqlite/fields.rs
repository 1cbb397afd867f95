//! Taking a row apart, with an error that names table and column.

use std::collections::BTreeMap;

use model::{Digest, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use crate::ReadError;

/// A row of a table.
pub(super) struct Fields<'r> {
    pub table: &'static str,
    pub row: &'r SqliteRow,
}

impl<'r> Fields<'r> {
    pub(super) fn get<T>(&self, column: &'static str) -> Result<T, ReadError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite>,
    {
        self.row.try_get(column).map_err(|error| self.damaged(column, error.to_string()))
    }

    pub(super) fn text(&self, column: &'static str) -> Result<String, ReadError> {
        self.get(column)
    }

    pub(super) fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N], ReadError> {
        let bytes: &[u8] = self.get(column)?;
        bytes.try_into().map_err(|_| self.length(column, bytes))
    }

    pub(super) fn id<T>(
        &self,
        column: &'static str,
        from_bytes: fn([u8; 16]) -> T,
    ) -> Result<T, ReadError> {
        self.bytes(column).map(from_bytes)
    }

    pub(super) fn maybe_id<T>(
        &self,
        column: &'static str,
        from_bytes: fn([u8; 16]) -> T,
    ) -> Result<Option<T>, ReadError> {
        match self.get::<Option<&[u8]>>(column)? {
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => Ok(Some(from_bytes(bytes))),
                Err(_) => Err(self.length(column, bytes)),
            },
            None => Ok(None),
        }
    }

    pub(super) fn digest(&self, column: &'static str) -> Result<Digest, ReadError> {
        self.bytes(column).map(Digest::from_bytes)
    }

    pub(super) fn maybe_digest(&self, column: &'static str) -> Result<Option<Digest>, ReadError> {
        match self.get::<Option<&[u8]>>(column)? {
            Some(_) => self.digest(column).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn number<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, ReadError> {
        let number: i64 = self.get(column)?;
        T::try_from(number).map_err(|_| self.damaged(column, number.to_string()))
    }

    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, ReadError> {
        self.get(column).map(Timestamp::from_millis)
    }

    pub(super) fn maybe_time(&self, column: &'static str) -> Result<Option<Timestamp>, ReadError> {
        let millis: Option<i64> = self.get(column)?;
        Ok(millis.map(Timestamp::from_millis))
    }

    pub(super) fn map(&self, column: &'static str) -> Result<BTreeMap<String, String>, ReadError> {
        let text: &str = self.get(column)?;
        serde_json::from_str(text).map_err(|_| self.damaged(column, format!("`{text}`")))
    }

    pub(super) fn list(&self, column: &'static str) -> Result<Vec<String>, ReadError> {
        let text: &str = self.get(column)?;
        serde_json::from_str(text).map_err(|_| self.damaged(column, format!("`{text}`")))
    }

    /// A text that must be one of a closed list.
    pub(super) fn one_of<T>(
        &self,
        column: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ReadError> {
        let text: &str = self.get(column)?;
        parse(text).ok_or_else(|| self.damaged(column, format!("`{text}`")))
    }

    fn length(&self, column: &'static str, bytes: &[u8]) -> ReadError {
        self.damaged(column, format!("{} bytes", bytes.len()))
    }

    fn damaged(&self, column: &'static str, found: String) -> ReadError {
        ReadError::Damaged { table: self.table, column, found }
    }
}

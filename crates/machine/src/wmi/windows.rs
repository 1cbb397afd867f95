//! WMI through COM.

use std::collections::HashMap;

use wmi::{Variant, WMIConnection};

use super::{WmiError, WmiRow, WmiValue};

pub(super) fn query(query: &str) -> Result<Vec<WmiRow>, WmiError> {
    let failed = |error: wmi::WMIError| WmiError::Unreachable(error.to_string());
    let connection = WMIConnection::new().map_err(failed)?;
    let found: Vec<HashMap<String, Variant>> = connection
        .raw_query(query)
        .map_err(|error| WmiError::Query { query: query.to_owned(), why: error.to_string() })?;
    let row = |row: HashMap<String, Variant>| {
        row.into_iter().map(|(name, variant)| (name, value(variant))).collect()
    };
    Ok(found.into_iter().map(row).collect())
}

fn value(variant: Variant) -> WmiValue {
    match variant {
        Variant::Bool(truth) => WmiValue::Truth(truth),
        Variant::String(text) => WmiValue::Text(text),
        Variant::I1(number) => WmiValue::Whole(number.into()),
        Variant::I2(number) => WmiValue::Whole(number.into()),
        Variant::I4(number) => WmiValue::Whole(number.into()),
        Variant::I8(number) => WmiValue::Whole(number),
        Variant::UI1(number) => WmiValue::Natural(number.into()),
        Variant::UI2(number) => WmiValue::Natural(number.into()),
        Variant::UI4(number) => WmiValue::Natural(number.into()),
        Variant::UI8(number) => WmiValue::Natural(number),
        Variant::R4(number) => WmiValue::Number(number.into()),
        Variant::R8(number) => WmiValue::Number(number),
        Variant::Array(all) => WmiValue::Many(all.into_iter().map(value).collect()),
        Variant::Empty | Variant::Null | Variant::Unknown(_) | Variant::Object(_) => {
            WmiValue::Nothing
        }
    }
}

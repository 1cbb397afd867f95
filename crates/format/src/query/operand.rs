//! The sides of a comparison: names, texts, numbers, times, and the functions of queries.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::query::{FACTS, FIELDS, Field, Kind, Value};
use model::{Span, Timestamp};
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator,
    Value as Literal,
};

use super::{QueryError, Read};

/// One side, with the kind that it has by itself.
pub enum Operand {
    Field {
        field: Field,
        kind: Kind,
    },
    /// Becomes what the other side is.
    Text(String),
    Value(Value, Kind),
}

impl Operand {
    pub fn is_group(&self) -> bool {
        matches!(self, Self::Field { field: Field::Group, .. })
    }

    pub fn is_fact(&self) -> bool {
        matches!(self, Self::Field { field: Field::Fact(_), .. })
    }

    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Field { kind, .. } | Self::Value(_, kind) => Some(*kind),
            Self::Text(_) => None,
        }
    }

    /// As a value of that kind; a text is read as one.
    pub fn as_kind(&self, kind: Kind, place: &Expr) -> Read<Value> {
        let text = match self {
            Self::Field { field, .. } => return Ok(Value::Field(field.clone())),
            Self::Value(value, _) => return Ok(value.clone()),
            Self::Text(text) => text,
        };
        match kind {
            Kind::Text | Kind::Version if text.trim().is_empty() => {
                let what = "what is not known is NULL and equals no text";
                Err(QueryError::at(place, what, "write IS NULL or IS NOT NULL"))
            }
            Kind::Text | Kind::Version => Ok(Value::Text(text.clone())),
            Kind::Time => match instant(text) {
                Some(at) => Ok(Value::Time(at)),
                None => {
                    let what = format!("`{text}` is not a time");
                    let hint = "write '2026-11-21', '2026-11-21 14:00' (UTC), \
                                '2026-11-21T14:00:00+01:00' or ago('7d')";
                    Err(QueryError::at(place, what, hint))
                }
            },
            Kind::Number => match text.trim().parse() {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => {
                    let what = format!("`{text}` is not a number");
                    Err(QueryError::at(place, what, ""))
                }
            },
            Kind::Truth => {
                let what = format!("`{text}` is not true or false");
                Err(QueryError::at(place, what, "write true or false, without quotes"))
            }
        }
    }
}

pub fn operand(expression: &Expr) -> Read<Operand> {
    match expression {
        Expr::Nested(inner) => operand(inner),
        Expr::Identifier(name) => field(expression, std::slice::from_ref(name)),
        Expr::CompoundIdentifier(names) => field(expression, names),
        Expr::Value(value) => literal(expression, &value.value),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match operand(expr)? {
            Operand::Value(Value::Number(number), kind) => {
                Ok(Operand::Value(Value::Number(-number), kind))
            }
            _ => Err(QueryError::at(expression, "only numbers can be negative", "")),
        },
        Expr::Function(function) => call(expression, function),
        other => {
            let what = format!("`{other}` cannot be compared");
            Err(QueryError::at(expression, what, "compare a name with a text or a number"))
        }
    }
}

/// The text between single quotes, if that is what stands there.
pub fn literal_text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        Expr::Nested(inner) => literal_text(inner),
        _ => None,
    }
}

fn literal(place: &Expr, literal: &Literal) -> Read<Operand> {
    match literal {
        Literal::SingleQuotedString(text) => Ok(Operand::Text(text.clone())),
        Literal::Number(digits, _) => match digits.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                Ok(Operand::Value(Value::Number(number), Kind::Number))
            }
            _ => Err(QueryError::at(place, format!("`{digits}` is not a number"), "")),
        },
        Literal::Boolean(truth) => Ok(Operand::Value(Value::Truth(*truth), Kind::Truth)),
        Literal::Null => {
            let hint = "write IS NULL or IS NOT NULL";
            Err(QueryError::at(place, "nothing equals NULL", hint))
        }
        other => {
            let what = format!("`{other}` is not a value of queries");
            Err(QueryError::at(place, what, "texts stand between single quotes"))
        }
    }
}

fn field(place: &Expr, names: &[Ident]) -> Read<Operand> {
    let parts: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
    let name = parts.join(".");
    if let Some((field, kind)) = Field::named(&name) {
        return Ok(Operand::Field { field, kind });
    }
    let is_quoted = names.iter().any(|name| name.quote_style.is_some());
    let near = workflow::closest(&name, FIELDS.iter().map(|(known, _)| *known));
    let hint = match near {
        _ if is_quoted => format!("texts stand between single quotes: '{name}'"),
        Some(near) => format!("did you mean `{near}`? Facts of your own are written {FACTS}NAME"),
        None => format!("`{FACTS}{name}` is the fact of that name; the guide lists all names"),
    };
    Err(QueryError::at(place, format!("there is no `{name}` of a computer"), hint))
}

fn call(place: &Expr, function: &Function) -> Read<Operand> {
    let name = function.name.to_string().to_lowercase();
    let argument = match &function.args {
        FunctionArguments::List(list) if list.clauses.is_empty() => match list.args.as_slice() {
            [] => None,
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] => Some(argument),
            _ => return Err(QueryError::at(place, "a function takes one argument", "")),
        },
        _ => return Err(unknown(place, &name)),
    };
    let is_plain = function.over.is_none() && function.filter.is_none();
    match (name.as_str(), argument) {
        ("now", None) if is_plain => Ok(Operand::Value(Value::Ago(Span::ZERO), Kind::Time)),
        ("ago", Some(span)) if is_plain => {
            let text = literal_text(span).unwrap_or_default();
            let span: Span = text.parse().map_err(|error| {
                QueryError::at(span, format!("{error}"), "such as: last_seen < ago('7d')")
            })?;
            Ok(Operand::Value(Value::Ago(span), Kind::Time))
        }
        ("version" | "number", Some(argument)) if is_plain => {
            let kind = if name == "version" { Kind::Version } else { Kind::Number };
            match operand(argument)? {
                Operand::Field { field, kind: Kind::Text | Kind::Version }
                    if field != Field::Group =>
                {
                    Ok(Operand::Field { field, kind })
                }
                text @ Operand::Text(_) => Ok(Operand::Value(text.as_kind(kind, argument)?, kind)),
                _ => Err(QueryError::at(argument, format!("`{name}` takes a text"), "")),
            }
        }
        _ => Err(unknown(place, &name)),
    }
}

fn unknown(place: &Expr, name: &str) -> QueryError {
    let known = ["version", "number", "ago", "now"];
    let hint = match workflow::closest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "there are version(…), number(…), ago('7d') and now()".to_owned(),
    };
    QueryError::at(place, format!("there is no function `{name}` so written"), hint)
}

/// A date, a date with a time, both UTC, or a time with its offset.
fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let at = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(civil).ok()
    })?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

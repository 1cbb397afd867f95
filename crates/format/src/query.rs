//! Queries as people write them: the condition of an SQL `WHERE` over the view of the fleet that
//! [`model::query`] describes.
//!
//! An SQL parser reads the text; of what it can read only conditions are let through, and every
//! name and the kinds of both sides are checked, so that what comes out can be answered for every
//! computer. Limits keep a hostile text from taking long or deep.

mod operand;

use std::collections::BTreeSet;

use model::query::{Comparison, Condition, Field, Kind, Pattern, Value};
use sqlparser::ast::{BinaryOperator, Expr, Spanned, UnaryOperator, Value as Literal};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::problem::shown;
use operand::{Operand, literal_text, operand};

/// Bytes of a query; lists of names may be long.
const BYTES_MAX: usize = 256 << 10;
/// Operators, `AND` and `OR` among them: each may be a level of depth.
const OPERATORS_MAX: usize = 400;
/// Brackets and `NOT`s in one another.
const DEPTH_MAX: usize = 16;
/// Characters of a message.
const MESSAGE_MAX: usize = 300;

/// Why a text is not a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct QueryError {
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    pub what: String,
    pub hint: String,
}

impl QueryError {
    fn at(place: &impl Spanned, what: impl AsRef<str>, hint: impl AsRef<str>) -> Self {
        let start = place.span().start;
        Self::new((start.line, start.column), what, hint)
    }

    fn new((line, column): (u64, u64), what: impl AsRef<str>, hint: impl AsRef<str>) -> Self {
        let (what, hint) = (what.as_ref(), hint.as_ref());
        let (what, hint) = (shown(what, MESSAGE_MAX), shown(hint, MESSAGE_MAX));
        Self { line: line.max(1), column: column.max(1), what, hint }
    }
}

type Read<T> = Result<T, QueryError>;

/// The SQL of queries: names of letters, digits and `_`, or anything between double quotes.
#[derive(Debug)]
struct Fleet;

impl Dialect for Fleet {
    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_'
    }

    fn supports_boolean_literals(&self) -> bool {
        true
    }
}

/// Reads a query. An empty one means every computer.
pub fn parse_query(text: &str) -> Read<Condition> {
    if text.trim().is_empty() {
        return Ok(Condition::Always);
    }
    if text.len() > BYTES_MAX {
        let what = format!("the query is longer than {} KiB", BYTES_MAX >> 10);
        return Err(QueryError::new((1, 1), what, "put the computers into a group"));
    }
    let tokens = Tokenizer::new(&Fleet, text).tokenize_with_location();
    let tokens = tokens.map_err(|error| {
        let place = (error.location.line, error.location.column);
        QueryError::new(place, error.message, "texts stand between single quotes")
    })?;
    check_size(&tokens)?;
    let mut parser =
        Parser::new(&Fleet).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
    let expression = parser.parse_expr().map_err(|error| unread(error, text))?;
    // What the parser does not know it leaves, and says nothing.
    let rest = parser.peek_token();
    if rest.token != Token::EOF {
        let what = format!("`{}` does not belong here", rest.token);
        let place = (rest.span.start.line, rest.span.start.column);
        let hint = match rest.token {
            Token::SemiColon => "a query is one condition, without `;`",
            _ => "conditions are joined with AND and OR; texts stand between single quotes",
        };
        return Err(QueryError::new(place, what, hint));
    }
    condition(&expression)
}

/// Every operator may nest what the parser builds, whose depth nothing else bounds.
fn check_size(tokens: &[TokenWithSpan]) -> Read<()> {
    let is_operator = |token: &Token| match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::IN
                | Keyword::BETWEEN
                | Keyword::XOR
        ),
        Token::Comma
        | Token::Period
        | Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::EOF => false,
        _ => true,
    };
    let mut operators = tokens.iter().filter(|token| is_operator(&token.token));
    match operators.nth(OPERATORS_MAX) {
        None => Ok(()),
        Some(over) => {
            let place = (over.span.start.line, over.span.start.column);
            let what = format!("the query has more than {OPERATORS_MAX} conditions and operators");
            Err(QueryError::new(place, what, "use `name IN ('a', 'b', …)`, or a group"))
        }
    }
}

fn unread(error: ParserError, query: &str) -> QueryError {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            let what = format!("more than {DEPTH_MAX} brackets stand in one another");
            return QueryError::new((1, 1), what, "");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    // The parser tells the place at the end of its message, except where the text ends too early.
    let (what, place) = text.rsplit_once(" at Line: ").unwrap_or((&text, ""));
    let place = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some((line.parse().ok()?, column.trim().parse().ok()?)));
    let end = || {
        let last = query.lines().last().unwrap_or_default();
        (query.lines().count() as u64, last.chars().count() as u64 + 1)
    };
    let hint = "such as: os = 'windows' AND name LIKE 'pc-%'";
    QueryError::new(place.unwrap_or_else(end), what, hint)
}

fn condition(expression: &Expr) -> Read<Condition> {
    match expression {
        Expr::Nested(inner) => condition(inner),
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
            joined(expression, op)
        }
        Expr::BinaryOp { left, op, right } => match comparison(op) {
            Some(comparison) => compared(expression, left, comparison, right),
            None => {
                let what = format!("`{op}` is not an operator of queries");
                Err(QueryError::at(expression, what, "use = <> < <= > >= LIKE IN BETWEEN IS NULL"))
            }
        },
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(not(condition(expr)?)),
        Expr::Like { negated, any: false, expr, pattern, escape_char }
        | Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
            Ok(not_if(*negated, like(expr, pattern, escape_char.as_deref())?))
        }
        Expr::InList { expr, list, negated } => Ok(not_if(*negated, among(expr, list)?)),
        Expr::Between { expr, negated, low, high } => {
            let low = compared(expression, expr, Comparison::GreaterOrEqual, low)?;
            let high = compared(expression, expr, Comparison::LessOrEqual, high)?;
            Ok(not_if(*negated, Condition::All(vec![low, high])))
        }
        Expr::IsNull(inner) => Ok(Condition::IsUnknown(known(inner)?)),
        Expr::IsNotNull(inner) => Ok(not(Condition::IsUnknown(known(inner)?))),
        Expr::IsTrue(inner) => condition(inner),
        Expr::IsFalse(inner) => Ok(not(condition(inner)?)),
        Expr::Value(value) if value.value == Literal::Boolean(true) => Ok(Condition::Always),
        Expr::Value(value) if value.value == Literal::Boolean(false) => Ok(not(Condition::Always)),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => truth(expression),
        other => {
            let what = format!("`{other}` is not a condition");
            Err(QueryError::at(expression, what, "such as: os = 'windows' AND name LIKE 'pc-%'"))
        }
    }
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn not_if(negated: bool, condition: Condition) -> Condition {
    if negated { not(condition) } else { condition }
}

const fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// A chain of the same joint, which the parser nests to the left, as one list.
fn joined(expression: &Expr, joint: &BinaryOperator) -> Read<Condition> {
    let mut parts = Vec::new();
    let mut rest = expression;
    while let Expr::BinaryOp { left, op, right } = rest
        && op == joint
    {
        parts.push(condition(right)?);
        rest = left;
    }
    parts.push(condition(rest)?);
    parts.reverse();
    Ok(match joint {
        BinaryOperator::And => Condition::All(parts),
        _ => Condition::Any(parts),
    })
}

fn compared(whole: &Expr, left: &Expr, comparison: Comparison, right: &Expr) -> Read<Condition> {
    let (one, other) = (operand(left)?, operand(right)?);
    if one.is_group() || other.is_group() {
        return group_is(whole, &one, comparison, &other);
    }
    let kind = kind_of(whole, &one, &other)?;
    let (left, right) = (one.as_kind(kind, left)?, other.as_kind(kind, right)?);
    Ok(Condition::Compare { left, comparison, right, kind })
}

/// `group = 'Offices'`: membership, through all groups above.
fn group_is(
    whole: &Expr,
    one: &Operand,
    comparison: Comparison,
    other: &Operand,
) -> Read<Condition> {
    let ((Operand::Text(name), _) | (_, Operand::Text(name))) = (one, other) else {
        let hint = "such as: group = 'Offices'";
        return Err(QueryError::at(whole, "`group` is compared with names of groups", hint));
    };
    let member = Condition::Member(BTreeSet::from([name.to_lowercase()]));
    match comparison {
        Comparison::Equal => Ok(member),
        Comparison::NotEqual => Ok(not(member)),
        _ => Err(QueryError::at(whole, "groups have no order", "use = <> IN LIKE or IS NULL")),
    }
}

/// As what the two sides are compared.
fn kind_of(whole: &Expr, one: &Operand, other: &Operand) -> Read<Kind> {
    let mismatch = |one: Kind, other: Kind| {
        let what = format!("{} cannot be compared with {}", told(one), told(other));
        let hint = match (one, other) {
            (Kind::Version, Kind::Number) | (Kind::Number, Kind::Version) => {
                "versions are texts: write '10.0', between single quotes"
            }
            (Kind::Text, Kind::Number) | (Kind::Number, Kind::Text) => {
                "texts stand between single quotes; `number(…)` reads a text as a number"
            }
            (Kind::Truth, _) | (_, Kind::Truth) => "compare it with true or false",
            _ => "",
        };
        Err(QueryError::at(whole, what, hint))
    };
    match (one.kind(), other.kind()) {
        (None, None) => {
            let hint = "name something of the computer, such as os or facts.NAME";
            Err(QueryError::at(whole, "this is the same for every computer", hint))
        }
        (Some(kind), None) | (None, Some(kind)) => Ok(kind),
        (Some(one), Some(other)) if one == other => Ok(one),
        (Some(Kind::Text), Some(Kind::Version)) | (Some(Kind::Version), Some(Kind::Text)) => {
            Ok(Kind::Version)
        }
        (Some(Kind::Text), Some(Kind::Number)) if one.is_fact() => Ok(Kind::Number),
        (Some(Kind::Number), Some(Kind::Text)) if other.is_fact() => Ok(Kind::Number),
        (Some(one), Some(other)) => mismatch(one, other),
    }
}

const fn told(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a text",
        Kind::Number => "a number",
        Kind::Version => "a version",
        Kind::Time => "a time",
        Kind::Truth => "true or false",
    }
}

fn like(expression: &Expr, pattern: &Expr, escape: Option<&Expr>) -> Read<Condition> {
    let value = operand(expression)?;
    let Some(text) = literal_text(pattern) else {
        return Err(QueryError::at(pattern, "the pattern of LIKE is a text", "such as: 'pc-%'"));
    };
    let escape = match escape.map(|escape| (escape, literal_text(escape))) {
        None => None,
        Some((place, sign)) => {
            let mut letters = sign.unwrap_or_default().chars();
            match (letters.next(), letters.next()) {
                (Some(letter), None) => Some(letter),
                _ => {
                    let what = "the sign after ESCAPE is one letter";
                    return Err(QueryError::at(place, what, "such as: ESCAPE '\\'"));
                }
            }
        }
    };
    let pattern = Pattern::new(text, escape).map_err(|_| {
        QueryError::at(pattern, "the pattern ends with its escape sign", "write it twice")
    })?;
    if value.is_group() {
        return Ok(Condition::MemberLike(pattern));
    }
    match value {
        Operand::Field { field, kind: Kind::Text | Kind::Version } => {
            Ok(Condition::Like { value: Value::Field(field), pattern })
        }
        _ => Err(QueryError::at(expression, "LIKE asks for the text of a name", "")),
    }
}

fn among(expression: &Expr, list: &[Expr]) -> Read<Condition> {
    let value = operand(expression)?;
    if value.is_group() {
        let name = |item: &Expr| {
            let text = literal_text(item).map(str::to_lowercase);
            text.ok_or_else(|| QueryError::at(item, "names of groups are texts", ""))
        };
        return Ok(Condition::Member(list.iter().map(name).collect::<Read<_>>()?));
    }
    let mut kind = value.kind();
    for item in list {
        kind = Some(kind_of(item, &value, &operand(item)?)?);
    }
    let Some(kind) = kind else {
        let what = "this is the same for every computer";
        return Err(QueryError::at(expression, what, "name something of the computer"));
    };
    let of_kind = |item: &Expr| operand(item)?.as_kind(kind, item);
    let list = list.iter().map(of_kind).collect::<Read<Vec<_>>>()?;
    Ok(Condition::In { value: value.as_kind(kind, expression)?, list, kind })
}

/// What `IS NULL` asks for.
fn known(expression: &Expr) -> Read<Value> {
    match operand(expression)? {
        Operand::Field { field, .. } => Ok(Value::Field(field)),
        _ => Err(QueryError::at(expression, "IS NULL asks for a name", "")),
    }
}

/// A name that is true or false by itself.
fn truth(expression: &Expr) -> Read<Condition> {
    match operand(expression)? {
        Operand::Field { field, kind: Kind::Truth } => Ok(Condition::Compare {
            left: Value::Field(field),
            comparison: Comparison::Equal,
            right: Value::Truth(true),
            kind: Kind::Truth,
        }),
        Operand::Field { field: Field::Fact(_), .. } => {
            let hint = "compare it: facts.x = 'yes', facts.x IS NOT NULL";
            Err(QueryError::at(expression, "a fact is a text, not true or false", hint))
        }
        _ => {
            let what = format!("`{expression}` is not true or false");
            Err(QueryError::at(expression, what, "compare it with something"))
        }
    }
}

#[cfg(test)]
mod tests;

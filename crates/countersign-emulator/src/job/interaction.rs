//! Interactions: a model or an agent that replies, or calls a tool first.

use serde_json::{Map, Value, json};

use super::record::{End, FAILURE, Record, State};
use crate::time;

/// How much of the input the reply quotes, in characters.
const QUOTED: usize = 200;

/// An interaction: its model or agent, and its input.
pub(crate) struct Interaction {
    /// `model` or `agent`, and its name.
    pub(crate) of: (&'static str, String),
    /// The input as steps.
    pub(crate) input: Vec<Value>,
    /// The text of the input.
    pub(crate) text: String,
    pub(crate) previous: Option<String>,
    /// The tool call, if there is one: its id, and the declaration of the tool.
    pub(crate) call: Option<(String, Map<String, Value>)>,
    pub(crate) webhook_config: Option<Value>,
}

impl Interaction {
    pub(crate) fn has_tool(&self) -> bool {
        self.call.is_some()
    }

    pub(crate) fn resource(&self, record: &Record) -> Value {
        let mut resource = json!({
            "id": record.name,
            "object": "interaction",
            "status": status(record.state),
            self.of.0: self.of.1,
            "created": time::to_the_second(record.created),
            "updated": time::to_the_second(record.updated),
            "steps": self.steps(record.state),
        });
        if let Some(previous) = &self.previous {
            resource["previous_interaction_id"] = previous.as_str().into();
        }
        if let Some(config) = &self.webhook_config {
            resource["webhook_config"] = config.clone();
        }
        match record.state {
            State::Ended(End::Succeeded) => resource["usage"] = self.usage(),
            State::Ended(End::Failed) => {
                resource["errors"] = json!([{ "code": "internal", "message": FAILURE }]);
            }
            _ => {}
        }
        resource
    }

    fn steps(&self, state: State) -> Vec<Value> {
        let step = match state {
            State::Ended(End::RequiresAction) => self.call.as_ref().map(|(id, tool)| {
                json!({ "type": "function_call", "id": id, "name": tool.get("name"), "arguments": arguments(tool) })
            }),
            State::Ended(End::Succeeded) => Some(json!({
                "type": "model_output",
                "content": [{ "type": "text", "text": self.reply() }],
            })),
            _ => None,
        };
        step.into_iter().collect()
    }

    fn reply(&self) -> String {
        let quoted: String = self.text.trim().chars().take(QUOTED).collect();
        format!("An emulated answer to: {quoted}")
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.text.split_whitespace().count(), self.reply().split_whitespace().count());
        json!({
            "total_tokens": input + output,
            "total_input_tokens": input,
            "total_output_tokens": output,
            "total_cached_tokens": 0,
            "total_thought_tokens": 0,
            "total_tool_use_tokens": 0,
        })
    }
}

fn status(state: State) -> &'static str {
    match state {
        State::Running { .. } => "in_progress",
        State::Ended(End::Succeeded) => "completed",
        State::Ended(End::RequiresAction) => "requires_action",
        State::Ended(End::Failed) => "failed",
        State::Ended(End::Cancelled) => "cancelled",
        State::Ended(End::Expired | End::Incomplete) => "incomplete",
        State::Ended(End::BudgetExceeded) => "budget_exceeded",
    }
}

/// An example value for each declared parameter of the tool.
fn arguments(tool: &Map<String, Value>) -> Map<String, Value> {
    let properties = tool.get("parameters").and_then(|parameters| parameters.get("properties"));
    let example = |(name, declared): (&String, &Value)| {
        let value = match declared.get("type").and_then(Value::as_str).unwrap_or_default() {
            "integer" | "number" => 1.into(),
            "boolean" => true.into(),
            "array" => json!([]),
            "object" => json!({}),
            _ => declared.get("enum").and_then(|values| values.get(0)).cloned().unwrap_or_else(|| "emulated".into()),
        };
        (name.clone(), value)
    };
    properties.and_then(Value::as_object).into_iter().flatten().map(example).collect()
}

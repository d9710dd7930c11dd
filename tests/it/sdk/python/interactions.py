"""Interactions in the background, through the SDK."""

from common import RECEIVER, delivered, error, in_both_versions, polled

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "what the weather is like",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}


def dumped(value):
    return None if value is None else value.model_dump(exclude_none=True)


def interaction(i):
    return {
        "id": i.id,
        "status": i.status,
        "model": i.model,
        "agent": i.agent,
        "created": i.created,
        "updated": i.updated,
        "previous_interaction_id": i.previous_interaction_id,
        "steps": [dumped(step) for step in i.steps],
        "output_text": i.output_text,
        "usage": dumped(i.usage),
        "errors": None if i.errors is None else [dumped(e) for e in i.errors],
        "webhook_config": dumped(i.webhook_config),
    }


def drive(client, version, key):
    interactions = client.interactions

    def config(what):
        metadata = {"what": what, "n": 1, "camelCase": None, "nested": {"a_b": [1.5, True, "ü"]}}
        return {"uris": [f"{RECEIVER}/dynamic/{version}/{what}"], "user_metadata": metadata}

    def create(what, input, **more):
        return interactions.create(
            model="gemini-2.5-flash", input=input, background=True, webhook_config=config(what), **more
        )

    def to_its_end(i):
        answers = polled(lambda: interactions.get(i.id), lambda i: i.status in ("queued", "in_progress"))
        delivered()
        return {"created": interaction(i), "polled": [interaction(answer) for answer in answers]}

    facts = {"completed": to_its_end(create("completed", "Say hello, please."))}
    id = facts["completed"]["created"]["id"]
    facts["with_input"] = interaction(interactions.get(id, include_input=True))

    asking = to_its_end(create("asking", "Ask get_weather about Paris.", tools=[TOOL]))
    call = next(s for s in interactions.get(asking["created"]["id"]).steps if s.type == "function_call")
    result = {"type": "function_result", "call_id": call.id, "name": call.name, "result": {"temp": 20, "sky": "clear"}}
    answering = create("answering", [result], tools=[TOOL], previous_interaction_id=asking["created"]["id"])
    facts["asking"], facts["answering"] = asking, to_its_end(answering)
    wrong = {**result, "call_id": "call_of_somebody_else"}
    facts["wrong_answer"] = error(
        lambda: create("wrong", [wrong], previous_interaction_id=asking["created"]["id"])
    )

    facts["failed"] = to_its_end(create("failed", [{"type": "text", "text": "Be so kind and [[fail]]."}]))

    agent = interactions.create(
        agent="deep-research-pro-preview-12-2025", input="Look it up.", background=True, webhook_config=config("agent")
    )
    facts["agent"] = to_its_end(agent)

    # Who waits for it has it in the answer, and no event.
    # What else it may say makes no difference, and is not refused.
    more = {
        "cached_content": "cachedContents/1",
        "generation_config": {"temperature": 0.1},
        "labels": {"team": "tests"},
        "response_modalities": ["text"],
        "service_tier": "flex",
        "store": True,
        "system_instruction": "Be brief.",
    }
    at_once = interactions.create(
        model="gemini-2.5-flash", input="Now.", webhook_config=config("at_once"), **more
    )
    facts["at_once"] = interaction(at_once)

    cancelled = create("cancelled", "Take your time.")
    facts["cancelled"] = {
        "created": interaction(cancelled),
        "answer": interaction(interactions.cancel(cancelled.id)),
        "polled": [interaction(interactions.get(cancelled.id))],
    }
    facts["cancelled_again"] = error(lambda: interactions.cancel(cancelled.id))
    delivered()

    facts["deleted"] = interactions.delete(cancelled.id)
    facts["get_of_deleted"] = error(lambda: interactions.get(cancelled.id))
    return facts


in_both_versions(drive)

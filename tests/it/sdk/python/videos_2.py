"""Videos, through the last SDK that lets the Gemini API make one."""

from common import RECEIVER, delivered, in_both_versions, polled
from video import operation


def drive(client, version, key):
    def create(what, prompt):
        metadata = {"what": what, "n": 1, "snake_case": {"camelCase": [1.5, None]}}
        webhook_config = {"uris": [f"{RECEIVER}/dynamic/{version}/{what}"], "user_metadata": metadata}
        config = {"number_of_videos": 1, "aspect_ratio": "16:9", "webhook_config": webhook_config}
        return client.models.generate_videos(model="veo-3.0-generate-001", prompt=prompt, config=config)

    def to_its_end(o):
        created = operation(o)
        answers = polled(lambda: client.operations.get(o), lambda o: not o.done)
        delivered()
        return {"created": created, "polled": [operation(answer) for answer in answers]}

    return {
        "generated": to_its_end(create("generated", "A cat that reads.")),
        "failed": to_its_end(create("failed", "A cat that would [[fail]].")),
    }


in_both_versions(drive, by_itself="v1beta")

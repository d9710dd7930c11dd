"""Operations of videos, polled through the SDK, which makes none by itself."""

import base64
import json
import sys

from google.genai import types

from common import delivered, error, in_both_versions, polled, raw
from video import file_name, operation

# What the SDK before it made: of each version, the names of the operations.
MADE = json.loads(sys.argv[1])


def drive(client, version, key):
    def get(name):
        return client.operations.get(types.GenerateVideosOperation(name=name))

    body = {"instances": [{"prompt": "A dog that writes."}], "parameters": {"sampleCount": 1}}
    name = raw("POST", f"/{version}/models/veo-3.0-generate-001:predictLongRunning", body, key)["name"]
    answers = polled(lambda: get(name), lambda o: not o.done)
    delivered()
    video = answers[-1].response.generated_videos[0]
    return {
        "downloaded": base64.b64encode(client.files.download(file=video)).decode(),
        "downloaded_by_name": base64.b64encode(client.files.download(file=file_name(name))).decode(),
        "name": name,
        "polled": [operation(answer) for answer in answers],
        "made": [operation(get(name)) for name in MADE[version]],
        "missing": error(lambda: get(f"{name}-no-more")),
    }


in_both_versions(drive)

"""Files that are uploaded, and a batch that reads one, through the SDK."""

import io
import json
import os
import tempfile

from google.genai import types

from common import in_both_versions, polled

OPEN = (types.JobState.JOB_STATE_PENDING, types.JobState.JOB_STATE_RUNNING)
REQUESTS = {"request-1": "Say hello.", "request-2": "Say goodbye."}


def file(f):
    return {
        "name": f.name,
        "display_name": f.display_name,
        "mime_type": f.mime_type,
        "size": f.size_bytes,
        "state": f.state.value,
        "source": f.source.value,
    }


def drive(client, version, key):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "requests.jsonl")
        with open(path, "w") as out:
            for name, words in REQUESTS.items():
                request = {"contents": [{"role": "user", "parts": [{"text": words}]}]}
                out.write(json.dumps({"key": name, "request": request}) + "\n")
        config = types.UploadFileConfig(display_name="requests", mime_type="application/jsonl")
        uploaded = client.files.upload(file=path, config=config)
    facts = {"uploaded": file(uploaded), "described": file(client.files.get(name=uploaded.name))}
    large = client.files.upload(file=io.BytesIO(b"x" * (9 << 20)), config={"mime_type": "text/plain"})
    facts["large"] = large.size_bytes
    facts["listed"] = [f.name for f in client.files.list()]

    created = client.batches.create(model="gemini-2.5-flash", src=uploaded.name)
    ended = polled(lambda: client.batches.get(name=created.name), lambda j: j.state in OPEN)[-1]
    facts["state"] = ended.state.value
    facts["results"] = client.files.download(file=ended.dest.file_name).decode()
    client.files.delete(name=large.name)
    facts["left"] = [f.name for f in client.files.list()]
    return facts


in_both_versions(drive)

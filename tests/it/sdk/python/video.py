"""What an SDK parses of a video's operation."""


def file_name(operation_name):
    """The name that the event gives."""
    return "files/" + operation_name.rsplit("/", 1)[1]


def operation(o):
    videos = o.response and o.response.generated_videos
    return {
        "name": o.name,
        "done": o.done,
        "error": o.error,
        "videos": videos and [video.video.uri for video in videos],
    }

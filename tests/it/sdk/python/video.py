"""What an SDK parses of a video's operation."""


def operation(o):
    videos = o.response and o.response.generated_videos
    return {
        "name": o.name,
        "done": o.done,
        "error": o.error,
        "videos": videos and [video.video.uri for video in videos],
    }

"""Watches a stream by WHEP with aiortc, and writes the pictures that arrive to standard output.

Each picture is a line with its width and its height, and then its I420 planes without padding.

Arguments: the address to post the offer to, a bearer token, and the number of pictures after which to end.
"""

import asyncio
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription


# A guard against hanging.
HANGS_S = 200


def request(method, url, headers, body=None):
    asked = urllib.request.Request(url, data=body, headers=headers, method=method)
    with urllib.request.urlopen(asked, timeout=HANGS_S) as response:
        return response.headers, response.read().decode()


def write(frame):
    frame = frame.reformat(format="yuv420p")
    out = sys.stdout.buffer
    out.write(f"{frame.width} {frame.height}\n".encode())
    for plane in frame.planes:
        data = bytes(plane)
        for row in range(plane.height):
            out.write(data[row * plane.line_size : row * plane.line_size + plane.width])
    out.flush()


async def watch(url, token, count):
    peer = RTCPeerConnection()
    video = peer.addTransceiver("video", direction="recvonly").receiver
    peer.addTransceiver("audio", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    authorization = {"Authorization": f"Bearer {token}"}
    headers, answer = await asyncio.to_thread(
        request,
        "POST",
        url,
        {**authorization, "Content-Type": "application/sdp"},
        peer.localDescription.sdp.encode(),
    )
    session = urllib.parse.urljoin(url, headers["Location"])
    try:
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        for _ in range(count):
            write(await asyncio.wait_for(video.track.recv(), timeout=HANGS_S))
    finally:
        await asyncio.to_thread(request, "DELETE", session, authorization)
        await peer.close()


asyncio.run(watch(sys.argv[1], sys.argv[2], int(sys.argv[3])))

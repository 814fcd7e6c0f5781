"""An authorization server that misbehaves on request, to test clients of the device grant with.

    async with open_faults(wanted) as faults:                 # from pairlet_sim.faults.serving
        faults.issuer("bad_gateway")                          # give this to the client
        faults.site("bad_gateway").evidence()                 # what the client did

It is the simulator's authorization server with a layer in front of it that plays one of the `scenarios`. Like
that server it shares no code with the agent, so that one misreading of an RFC can't hide on both sides.
"""

"""What a setup phase may reach: an allow-listed forward proxy on a UNIX socket."""

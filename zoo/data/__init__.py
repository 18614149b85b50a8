"""From a tree of recordings to clips and waves.

`names` and `years` read file names, `annotations` what stands beside the recordings, `clips` puts them together; `wavs` opens
one recording, `views` choose what is heard of its channels, `store` keeps all of them decoded, `scan` says what is wrong with
them. `groups` files machines by their kind of noise, and `synth` makes recordings where there are none.
"""

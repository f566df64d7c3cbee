# Keeps the compiler from copying each component into whatever shows it: that would be a twentieth of the binary.
/^\/\/go:noinline$/d
s,^func .* templ\.Component \{$,//go:noinline\
&,

# Changes to the code that templ generates.
#
# Keeps the compiler from copying each component into whatever shows it: that would be a twentieth of the binary.
/^\/\/go:noinline$/d
s,^func .* templ\.Component \{$,//go:noinline\
&,
# Texts as they are: templ has fmt.Sprint make a text of each text once more, a tenth of the time of a form.
s,templ\.JoinStringErrs\(,printed(,

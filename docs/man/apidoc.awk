# apidoc.awk - reads the kernel-doc comments of public headers; POSIX awk (mawk will do).
#
#   awk -f apidoc.awk -v mode=list HEADER...          one line a function, for the checks:
#       name, api|inline, since, source, header, parameters, @documented, 1 if void or Return:
#       (between tabs; 8 fields; a function without a comment has "-" for since and source)
#   awk -f apidoc.awk -v mode=man -v out=DIR HEADER...    DIR/man3/NAME.3 for each function
#       and DIR/man7/ipk-HEADER.7 for each header: its opening comment, types and functions

function trim(s)
{
	gsub(/^[ \t]+|[ \t]+$/, "", s)
	return s
}

# Text to roff: @x becomes italic, ipk_x() bold, -E a real minus, \ and leading dots safe.
function roff(s,    out, word)
{
	gsub(/\\/, "\\e", s)
	out = ""
	while (match(s, /@[a-z_][a-z_0-9]*|ipk_[a-z_0-9]+\(\)|-E[A-Z0-9]+/)) {
		word = substr(s, RSTART, RLENGTH)
		out = out substr(s, 1, RSTART - 1)
		if (word ~ /^@/)
			out = out "\\fI" substr(word, 2) "\\fP"
		else if (word ~ /^-/)
			out = out "\\" word
		else
			out = out mention(substr(word, 1, length(word) - 2))
		s = substr(s, RSTART + RLENGTH)
	}
	out = out s
	if (out ~ /^[.']/)
		out = "\\&" out
	return out
}

function mention(name)
{
	if (name != fn && !(name in mentioned)) {
		mentioned[name] = 1
		see_also = see_also ", \\fB" name "\\fP(3)"
	}
	return "\\fB" name "\\fP(3)"
}

function verbatim(s)
{
	gsub(/\\/, "\\e", s)
	gsub(/-/, "\\-", s)
	return s ~ /^[.']/ ? "\\&" s : s
}

# --- one header --------------------------------------------------------------------------

function begin_header()
{
	header = FILENAME
	sub(/.*include\//, "", header)
	base = header
	sub(/.*\//, "", base)
	sub(/\.h$/, "", base)
	state = "start"
	n_intro = n_types = n_functions = 0
}

function end_header()
{
	if (mode == "man" && header != "")
		write_man7()
}

FNR == 1 { end_header(); begin_header() }

state == "start" && /^\/\*/ { state = "intro" }

state == "intro" {
	line = $0
	done = line ~ /\*\/$/
	sub(/^\/\*+ ?/, "", line)
	sub(/ *\*\/$/, "", line)
	sub(/^ \* ?/, "", line)
	if (trim(line) != "" || n_intro > 0)
		intro[++n_intro] = line
	if (done)
		state = "code"
	next
}

/^\/\*\*$/ { state = "doc"; n_doc = 0; next }

state == "doc" && /^ \*\/$/ { state = "decl"; decl = ""; next }

state == "doc" {
	sub(/^ \*[ ]?/, "")
	doc[++n_doc] = $0
	next
}

state == "code" && /^IPK_API/ { state = "decl"; decl = ""; n_doc = 0 }

state == "decl" {
	decl = decl " " trim($0)
	if (decl ~ /[;]$/ || $0 ~ /^{/) {
		sub(/ ?[;{]$/, "", decl)
		sub(/ *__attribute__\(\(.*\)\)$/, "", decl)
		state = $0 ~ /^{/ ? "body" : "code"
		declared(trim(decl))
	}
	next
}

state == "code" && /^static inline/ { state = "skip" }

state == "body" || state == "skip" {
	if (/^}/)
		state = "code"
	next
}

state == "code" {
	if (/^#(ifndef|ifdef|endif|include)/ || /^#define IPK_[A-Z]*_?H$/ || /^extern "C"/ ||
	    /^}$/)
		next
	if ($0 == "" && (n_types == 0 || types[n_types] == ""))
		next
	types[++n_types] = $0
}

END { end_header() }

# --- one function ------------------------------------------------------------------------

function declared(text,    head, args)
{
	kind = text ~ /^IPK_API/ ? "api" : "inline"
	gsub(/IPK_API |IPK_MUST_CHECK |static inline /, "", text)
	prototype = text
	head = text
	sub(/\(.*/, "", head)
	fn = head
	sub(/.*[ *]/, "", fn)
	args = substr(text, length(head) + 2)
	sub(/\)[^)]*$/, "", args)
	parameters = parameter_names(args)
	read_doc()
	functions[++n_functions] = fn
	summaries[n_functions] = summary
	if (mode == "list")
		printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", fn, kind, since, source, header,
			parameters, documented, has_return || prototype ~ /^void [^*]/
	else if (mode == "man" && n_doc > 0)
		write_man3()
}

function parameter_names(args,    n, i, part, p, names)
{
	n = split(args, part, ",")
	names = ""
	for (i = 1; i <= n; i++) {
		p = trim(part[i])
		gsub(/\[[^]]*\]/, "", p)
		sub(/.*[^A-Za-z0-9_.]/, "", p)
		if (p != "void" && p != "..." && p != "")
			names = names (names == "" ? "" : ",") p
	}
	return names
}

# Sorts the lines of a comment into summary, parameters, prose, labels and Return.
function read_doc(    i, line, where, key)
{
	summary = ""; since = "-"; source = "-"; documented = ""; has_return = 0
	n_args = n_prose = n_labels = 0; returns = ""
	where = "summary"
	for (i = 1; i <= n_doc; i++) {
		line = doc[i]
		if (line ~ /^@[a-z_0-9]+:/) {
			where = "arg"
			key = line
			sub(/^@/, "", key); sub(/:.*/, "", key)
			sub(/^@[a-z_0-9]+: */, "", line)
			arg_name[++n_args] = key
			arg_text[n_args] = line
			documented = documented (documented == "" ? "" : ",") key
		} else if (line ~ /^Source: /) {
			where = "prose"
			source = line
			sub(/^Source: +/, "", source); sub(/ .*/, "", source)
			if (match(line, /Since: +[0-9.]+/)) {
				since = substr(line, RSTART, RLENGTH)
				sub(/Since: +/, "", since)
			}
		} else if (line ~ /^Return: /) {
			where = "return"
			has_return = 1
			returns = substr(line, 9)
		} else if (line ~ /^[A-Z][a-z]+: /) {
			where = "label"
			label_name[++n_labels] = substr(line, 1, index(line, ":") - 1)
			label_text[n_labels] = trim(substr(line, index(line, ":") + 1))
		} else if (where == "summary" && trim(line) != "") {
			sub(/^ipk_[a-z_0-9]+\(\) - /, "", line)
			summary = summary (summary == "" ? "" : " ") trim(line)
		} else if (where == "arg" && trim(line) != "") {
			arg_text[n_args] = arg_text[n_args] "\n" trim(line)
		} else if (where == "label" && trim(line) != "") {
			label_text[n_labels] = label_text[n_labels] "\n" trim(line)
		} else if (where == "return") {
			returns = returns "\n" trim(line)
		} else {
			where = "prose"
			if (trim(line) != "" || n_prose > 0)
				prose[++n_prose] = line
		}
	}
}

# --- pages -------------------------------------------------------------------------------

function title(name, section)
{
	return ".TH \"" name "\" " section " \"\" \"ipk\" \"IPC primitives kit\"\n.SH NAME\n"
}

function filled(text,    n, i, part, s)
{
	n = split(text, part, "\n")
	s = ""
	for (i = 1; i <= n; i++)
		if (part[i] != "")
			s = s roff(part[i]) "\n"
	return s
}

# Prose keeps its paragraphs; indented lines (tables, code) stay as they are.
function paragraphs(lines, n,    i, s, raw)
{
	s = ""
	raw = 0
	for (i = 1; i <= n; i++) {
		if (lines[i] ~ /^[ \t]/ && !raw) { s = s ".nf\n"; raw = 1 }
		if (lines[i] ~ /^[^ \t]/ && raw) { s = s ".fi\n"; raw = 0 }
		if (lines[i] == "")
			s = s (i < n ? ".PP\n" : "")
		else
			s = s (raw ? verbatim(lines[i]) : roff(lines[i])) "\n"
	}
	return s (raw ? ".fi\n" : "")
}

function write_man3(    f, s, i)
{
	split("", mentioned)
	see_also = ""
	f = out "/man3/" fn ".3"
	s = title(fn, 3) fn " \\- " roff(summary) "\n"
	s = s ".SH SYNOPSIS\n.nf\n#include <" header ">\n\n.fi\n.HP 8\n.B " prototype ";\n"
	if (n_args > 0)
		s = s ".SH PARAMETERS\n"
	for (i = 1; i <= n_args; i++)
		s = s ".TP\n.I " arg_name[i] "\n" filled(arg_text[i])
	if (n_prose > 0)
		s = s ".SH DESCRIPTION\n" paragraphs(prose, n_prose)
	if (n_labels > 0)
		s = s ".SH NOTES\n"
	for (i = 1; i <= n_labels; i++)
		s = s ".TP\n.B " label_name[i] "\n" filled(label_text[i])
	if (has_return)
		s = s ".SH RETURN VALUE\n" filled(returns)
	s = s ".SH HISTORY\nSince ipk " since ". Source: " source ".\n"
	s = s ".SH SEE ALSO\n\\fBipk-" base "\\fP(7)" see_also ", \\fBipk\\fP(7)\n"
	printf "%s", s >f
	close(f)
}

function write_man7(    f, s, i, first)
{
	fn = ""
	f = out "/man7/ipk-" base ".7"
	first = intro[1]
	sub(/^[a-z_\/]+\.h - /, "", first)
	for (i = 2; i <= n_intro && intro[i] != ""; i++)
		first = first " " intro[i]
	sub(/\.$/, "", first)
	s = title("ipk-" base, 7) "ipk\\-" base " \\- " roff(first) "\n"
	s = s ".SH SYNOPSIS\n.B #include <" header ">\n"
	for (; i <= n_intro && intro[i] == ""; i++)
		;
	if (i <= n_intro)
		s = s ".SH DESCRIPTION\n" rest_of_intro(i)
	if (n_types > 0) {
		s = s ".SH TYPES AND CONSTANTS\n.nf\n"
		for (i = 1; i <= n_types; i++)
			s = s verbatim(types[i]) "\n"
		s = s ".fi\n"
	}
	if (n_functions > 0)
		s = s ".SH FUNCTIONS\n"
	for (i = 1; i <= n_functions; i++)
		s = s ".TP\n.BR " functions[i] " (3)\n" roff(summaries[i]) "\n"
	printf "%s.SH SEE ALSO\n.BR ipk (7)\n", s >f
	close(f)
}

function rest_of_intro(from,    i, n, rest)
{
	for (i = from; i <= n_intro; i++)
		rest[++n] = intro[i]
	return paragraphs(rest, n)
}

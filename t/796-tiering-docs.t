#!/usr/bin/env perl
# varve-tiering(7) is a tutorial: what it says to type in works, in that order.  varve-cold(5) has the formats of
# a store to the byte: by its tables, what t/data has of each is read here, with no code of varve's.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use Test::More;
use lib ($ENV{srcdir} // '.') . '/t/lib';
use Varved;

plan skip_all => 'it is about varved' if ($ENV{VARVE_TEST_BOOTSTRAP} // '') ne '';

my $top = abs_path($ENV{srcdir} // '.');
my $build = abs_path($ENV{builddir} // '.');

sub lines_of_page {
    my ($page) = @_;
    open(my $f, '<', "$top/man/$page") or die "$page: $!";
    chomp(my @lines = <$f>);
    return @lines;
}

# ---- the formats

# The tables of a page by their titles: rows of place, type, what.
sub tables {
    my ($title, %found) = ('');
    for (lines_of_page('varve-cold.5')) {
        $title = $1 if /^\.S[hs] (.*)/;
        push @{ $found{$title} }, [$1, $2, $3] if /^\.It (\d+) Ta (.+?) Ta (.*)/;
    }
    return %found;
}
my %table = tables();
my %letter = (u32 => 'L<', i32 => 'l<', u64 => 'Q<', i64 => 'q<');
my %size = (u32 => 4, i32 => 4, u64 => 8, i64 => 8);

sub size_of { return $size{ $_[0] } // ($_[0] =~ /^(\d+) bytes$/)[0] }
sub end_of { my ($t) = @_; return $t->[-1][0] + size_of($t->[-1][1]) }

# What a table says of the bytes from `at` on, by the first words of each row.
sub decode {
    my ($title, $bytes, $at) = @_;
    my %v;
    for (@{ $table{$title} }) {
        my ($place, $type, $what) = @$_;
        my ($name) = $what =~ /^([^:,(]*)/;
        my $letter = $letter{$type} // 'a' . size_of($type);
        $v{$name} = unpack "x[$at] x[$place] $letter", $bytes;
    }
    return \%v;
}
sub fixture {
    my ($name) = @_;
    open(my $f, '<:raw', "$top/t/data/$name") or die "$name: $!";
    local $/;
    return <$f>;
}

my @crc = map { my $c = $_; $c = $c & 1 ? $c >> 1 ^ 0x82f63b78 : $c >> 1 for 1 .. 8; $c } 0 .. 255;
sub crc32c {
    my $c = 0xffffffff;
    $c = $crc[($c ^ $_) & 255] ^ $c >> 8 for unpack 'C*', $_[0];
    return $c ^ 0xffffffff;
}

# Each byte of what has one size has a meaning, and only one.
for my $title ('Header', 'Chunk table', 'Footer', 'Root', 'A page\'s entry in a root', 'Page',
    'A segment in a root or page', 'A chunk in a segment\'s entry', 'Behind the cluster\'s id') {
    my ($at, @wrong) = (0);
    for (@{ $table{$title} }) {
        push @wrong, "@$_" if $_->[0] != $at || !size_of($_->[1]);
        $at = $_->[0] + size_of($_->[1]);
    }
    ok($at > 20 && !@wrong, "varve-cold(5): \"$title\" has $at bytes without gaps") or diag("@wrong");
}

for my $name ('cold-object-v1.bin', 'cold-object-zstd-v1.bin') {
    my $o = fixture($name);
    my ($head, $foot) = (decode('Header', $o, 0), decode('Footer', $o, length($o) - end_of($table{Footer})));
    is(end_of($table{Header}) . ' ' . end_of($table{Footer}), '64 192', "$name: header and footer");
    is($head->{VRVCOLD1} . $foot->{VRVFOOT1}, 'VRVCOLD1VRVFOOT1', '... begin and end it');
    is($head->{'checksum of bytes 0 to 59'}, crc32c(substr $o, 0, 60), '... the header\'s checksum');
    is($foot->{'checksum of bytes 0 to 179'}, crc32c(substr $o, -192, 180), '... the footer\'s');
    is($foot->{'bytes of the whole object'}, length $o, '... its size');
    is("@$head{'base offset', 'next offset'}", "@$foot{'base offset', 'next offset'}", '... its offsets');
    my ($table, $index) = @$foot{'where the chunk table begins', 'where the index begins'};
    my $n = $foot->{chunks};
    is($foot->{'checksum of the chunk table'}, crc32c(substr $o, $table, 48 * $n), '... the table\'s checksum');
    is($table + 48 * $n, length($o) - 192, '... which lies before the footer');
    is($foot->{'checksum of index'}, crc32c(substr $o, $index, $table - $index), '... and of what is before');
    my ($at, $bad) = (64, 0);
    for my $i (0 .. $n - 1) {
        my $c = decode('Chunk table', $o, $table + 48 * $i);
        $bad++ if $c->{'where in the object it is stored'} != $at;
        $bad++ if $c->{'checksum of the stored bytes'} != crc32c(substr $o, $at, $c->{'bytes stored'});
        $at += $c->{'bytes stored'};
    }
    ok($n > 0 && !$bad && $at == $index, "... and $n chunks from byte 64 to the index");
}

# What the page says to do by hand, but for Kafka's program.
my $hand = tempdir(CLEANUP => 1);
my $by_hand = join "\n", grep { /^end=|^head / } lines_of_page('varve-cold.5');
$by_hand =~ s{OBJECT}{$top/t/data/cold-object-v1.bin}g;
is(system("cd $hand && $by_hand"), 0, 'varve-cold(5): the commands work');
my $object = fixture('cold-object-v1.bin');
my $index = decode('Footer', $object, length($object) - 192)->{'where the index begins'};
is(text_of("$hand/00000000000000000000.log"), substr($object, 64, $index - 64), '... and bring the chunks');

# A segment's entry at `at`: its numbers, and where the next one is.
sub segment {
    my ($bytes, $at) = @_;
    my $key = unpack "x[$at] S</a", $bytes;
    my $copy = unpack 'x[' . ($at += 2 + length $key) . '] S<', $bytes;
    my $s = decode('A segment in a root or page', $bytes, $at += 2 + ($copy == 65535 ? 0 : $copy));
    $s->{key} = $key;
    $at += end_of($table{'A segment in a root or page'});
    return ($s, $at + end_of($table{'A chunk in a segment\'s entry'}) * $s->{chunks});
}
sub whole { my ($b) = @_; return crc32c(substr($b, 0, 12) . substr $b, 16) }

my ($root, $page) = (fixture('manifest-root-v1.bin'), fixture('manifest-page-v1.bin'));
my ($r, $p) = (decode('Root', $root, 0), decode('Page', $page, 0));
is($r->{VRVMANI1} . $p->{VRVPAGE1}, 'VRVMANI1VRVPAGE1', 'a root and a page');
is($r->{'checksum of all bytes but these four'}, whole($root), '... the root\'s checksum');
is($p->{'checksum of all bytes but these four'}, whole($page), '... the page\'s');
my ($at, $next) = (end_of($table{Root}));
for (1 .. $r->{pages}) {
    $at += 2 + length unpack "x[$at] S</a", $root;
    $next = decode('A page\'s entry in a root', $root, $at)->{'next offset'};
    $at += end_of($table{'A page\'s entry in a root'});
}
for (1 .. $r->{segments}) {
    my $s;
    ($s, $at) = segment($root, $at);
    is($s->{'base offset'}, $next, "... $s->{key} begins where what is before it ends") if defined $next;
    $next = $s->{'next offset'};
}
is($at, length $root, '... all of the root is read');
is($next, $r->{'next offset'}, '... up to its end');
$at = end_of($table{Page});
(undef, $at) = segment($page, $at) for 1 .. $p->{segments};
is($at, length $page, '... all of the page is');

my $o = fixture('owner-v1.bin');
my $owner = decode('OWNERS', $o, 0);
is($owner->{'checksum of all bytes but these four'}, whole($o), 'an owner\'s checksum');
is($owner->{'length of the cluster\'s id'} + 44, length $o, '... and its length');
my $m = fixture('marker-v1.bin');
my $mark = decode('MARKERS', $m, 0);
is($mark->{'checksum of all bytes but these four'}, whole($m), 'a marker\'s checksum');
$at = 20 + $mark->{'length of the cluster\'s id'};
my $behind = decode('Behind the cluster\'s id', $m, $at);
$at += end_of($table{'Behind the cluster\'s id'});
for (1 .. $behind->{'pairs of the catalog'} + $behind->{records}) {
    my ($key, $value) = unpack "x[$at] L< L<", $m;
    $at += 8 + $key + $value;
}
is($at, length $m, '... and its pairs and records');

# ---- the tutorial

# Commands by the title that they stand under.
sub commands {
    my ($title, $runs, @found) = ('', 0);
    for (lines_of_page('varve-tiering.7')) {
        $title = $1 if /^\.S[hs] (.*)/;
        if (/^\.\\" (begin|end) run/) {
            push @found, [$title, ''] if $1 eq 'begin';
            $runs = $1 eq 'begin';
        } elsif ($runs && !/^\./) {
            s/\\e/\\/g;
            $found[-1][1] .= "$_\n";
        }
    }
    return @found;
}

my $dir = tempdir(CLEANUP => 1);
my $port = Varved::free_port();
my @steps = commands();
cmp_ok(scalar @steps, '>', 5, 'varve-tiering(7) has commands');
open(my $f, '>', "$dir/script") or die "script: $!";
# The server gets a free port instead of the usual one; whatever happens, it does not stay.
print $f <<"END";
set -euo pipefail
trap 'kill \$(jobs -p) 2>/dev/null || true; wait' EXIT
mkdir $dir/here && cd $dir/here
PATH=$build/server/tool:\$PATH
export VARVE_BOOTSTRAP=127.0.0.1:$port
varved() { exec ${\Varved::program()} "\$@" -o listeners=PLAINTEXT://127.0.0.1:$port -o admin.listeners=; }
END
print $f "$steps[$_][1]echo '== $_'\n" for 0 .. $#steps;
close $f;
my $rc = system("timeout 240 bash $dir/script >$dir/out 2>$dir/err");
my $out = text_of("$dir/out");
ok($out =~ /^== $_$/m, "\"$steps[$_][0]\" works") for 0 .. $#steps;
is($rc, 0, 'to the end') or diag($out, text_of("$dir/err"), text_of("$dir/here/varved.log"));
is(scalar(() = $out =~ /^200000$/mg), 3,
    'the last record is read from the store, also when the topic or the disk was gone');
done_testing;

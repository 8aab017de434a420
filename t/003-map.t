#!/usr/bin/perl
# The map of a room is whole: each file of server/ stands in a table of server/README.md, by its
# name ("fetch_read.c") or with its header ("fetch_session.[ch]"), and what stands there is there.
# Each test has a number of its own, by which people name it, and those of the server and of stores a
# place in t/README.md; a deliberate bug names tests that there are.
# The map of what others lost is whole, too: each test that t/LESSONS.md names is there.
use strict;
use warnings;
use File::Find;
use Test::More;

my $top = $ENV{srcdir} // '.';
my (%mapped, %there);

open my $in, '<', "$top/server/README.md" or die "server/README.md: $!";
while (<$in>) {
    my ($files) = /^\| (`.*?) \|/ or next;
    for my $name ($files =~ /`([^`\s]+\.[^`\s]+)`/g) {
        next if $name =~ m{^(?:t|engine)/} || $name !~ /\.(?:\[ch\]|c|h|def|conf|in|sysusers)$/;
        $name =~ s{.*/}{};
        $mapped{$_} = 1 for $name =~ /^(.*\.)\[ch\]$/ ? ("$1c", "$1h") : $name;
    }
}
close $in;
find({ no_chdir => 1, wanted => sub {
    my ($room, $name) = m{^\Q$top\E/server/(.*)/([^/]+)$} or return;
    $there{$room eq 'wire/msg' ? '*.def' : $name} = 1 if -f;
} }, "$top/server");
is_deeply([ grep { !$mapped{$_} } sort keys %there ], [], 'every file is in the map');
is_deeply([ grep { !$there{$_} } sort keys %mapped ], [], 'the map names no other');

my @tests = map { m{([^/]+)\.[tc]$} } glob "$top/t/*.t $top/t/long/*.t $top/t/unit/u*.c";
my %numbered;
push @{ $numbered{ s/-.*//r } }, $_ for @tests;
is_deeply([ map { "@$_" } grep { @$_ > 1 } values %numbered ], [], 'no two tests have the same number');

open $in, '<', "$top/t/README.md" or die "t/README.md: $!";
my @told = map { /^ {4}(\d.*?)(?: {2,}|$)/ ? split(/, /, $1) : () } <$in>;
close $in;
is_deeply([ sort @told ], [ sort grep { /^[7-9]/ && $_ ne '800-mutants' } @tests ],
    'each script from 700 on stands once in t/README.md');

my %test = map { $_ => 1 } @tests;
my @lost;
for my $patch (glob "$top/t/mutants/*.patch") {
    open $in, '<', $patch or die "$patch: $!";
    push @lost, map { /^Tests: (.*)/ ? map { "$patch: $_" } grep { !$test{$_} } split(' ', $1) : () } <$in>;
    close $in;
}
is_deeply(\@lost, [], 'deliberate bugs name tests that there are');

my (%text, @missing, @rows);
sub has_test {
    my ($program, $test) = @_;
    if (!exists $text{$program}) {
        open my $c, '<', "$top/t/unit/$program.c" or return 0;
        local $/;
        $text{$program} = <$c>;
    }
    return $text{$program} =~ /^\Q$test\E\(/m;
}

open $in, '<', "$top/t/LESSONS.md" or die "t/LESSONS.md: $!";
while (<$in>) {
    my ($n, $here) = /^\| (\d+) \|.*\| ([^|]*) \|$/ or next;
    my @named = $here =~ /`(u\d\S+ \w+)`/g;
    push @rows, $n;
    push @missing, grep { !has_test(split ' ') } @named;
    push @missing, "a test for lesson $n" if !@named && $here !~ /^no: /;
}
close $in;
is_deeply(\@rows, [ 1 .. 48 ], 'every lesson has its line');
is_deeply(\@missing, [], 'each test that it names is there');
my @own = $text{'u498-lessons'} =~ /^(lesson_\w+)\(void\)/mg;
open $in, '<', "$top/t/LESSONS.md" or die "t/LESSONS.md: $!";
my $all = do { local $/; <$in> };
is_deeply([ grep { $all !~ /`u498-lessons $_`/ } @own ], [], 'and names all that were written for it');
done_testing();

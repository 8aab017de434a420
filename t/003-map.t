#!/usr/bin/perl
# The map of a room is whole: each file of server/ stands in a table of server/README.md, by its
# name ("fetch_read.c") or with its header ("fetch_session.[ch]"), and what stands there is there.
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
done_testing();
